"""Writes the log of a training: one JSON object per line, for each step and each evaluation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from export.errors import StorageUnavailable


class Log:
    """The log file, to which lines are appended.

    Args:
        path: path of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, entry: dict[str, Any]) -> None:
        """Append a line.

        Raises:
            StorageUnavailable: the line cannot be written.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise StorageUnavailable(f"cannot write '{self._path}': {error.strerror or error}") from error

    def cut(self, step: int) -> None:
        """Remove all lines after a step, from which the training resumes; with step 0, all lines."""
        kept = [line for line in self._lines() if step and _step(line) <= step]
        self._path.write_text("".join(kept), encoding="utf-8")

    def _lines(self) -> Iterator[str]:
        if self._path.is_file():
            yield from self._path.read_text(encoding="utf-8").splitlines(keepends=True)


def _step(line: str) -> int:
    try:
        entry = json.loads(line)
        return int(entry.get("step", entry.get("evaluation", {}).get("step", 0)))
    except (ValueError, RecursionError):  # the process was killed in the middle of a line
        return 1 << 62
