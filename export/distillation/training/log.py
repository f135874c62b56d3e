"""The log of a training: one JSON object a line, a line each step and each evaluation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from export.errors import StorageUnavailable


class Log:
    """A file that is added to.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, entry: dict[str, Any]) -> None:
        """Add a line.

        Raises:
            StorageUnavailable: it cannot be written.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise StorageUnavailable(f"cannot write '{self._path}': {error.strerror or error}") from error

    def cut(self, step: int) -> None:
        """Keep what comes up to the step after which the training goes on; nothing if that is the first."""
        kept = [line for line in self._lines() if step and _step(line) <= step]
        self._path.write_text("".join(kept), encoding="utf-8")

    def _lines(self) -> Iterator[str]:
        if self._path.is_file():
            yield from self._path.read_text(encoding="utf-8").splitlines(keepends=True)


def _step(line: str) -> int:
    try:
        entry = json.loads(line)
        return int(entry.get("step", entry.get("evaluation", {}).get("step", 0)))
    except ValueError:  # the kill came in the middle of a line
        return 1 << 62
