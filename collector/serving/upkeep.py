"""Keeps run summaries up to date, so that reports are fast: `python -m collector.serving.upkeep FILE`.

A server starts this as a process of its own: it holds no interpreter lock that results wait for, and gives
its memory back. It is not made nice: what waits for a processor while it holds the file's lock is waited for.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collector.errors import CollectorError

QUIET_SECONDS: Final = 5.0
"""So long without results, it is worth the while."""
LONGEST_SECONDS: Final = 300.0
"""And so often at least, when results never stop coming."""
_STOP_SECONDS: Final = 10.0


class Upkeep:
    """Starts the work when there is some and results leave time for it; one process at a time."""

    def __init__(self, database: Path, say: Callable[[str], None]) -> None:
        """Prepare. What came before this process is to be looked at too.

        Args:
            database: the file.
            say: takes a line for the operator when the work fails.
        """
        self._command = (sys.executable, "-m", "collector.serving.upkeep", str(database))
        self._say = say
        self._process: subprocess.Popen[str] | None = None
        self._dirty = True
        self._failed = False
        self._came_at = self._done_at = time.monotonic()

    @property
    def working(self) -> bool:
        """Whether a process is at it, or has ended and was not seen to by `tick` yet."""
        return self._process is not None

    def note(self) -> None:
        """Results came."""
        self._dirty = True
        self._came_at = time.monotonic()

    def tick(self) -> None:
        """Start or finish the work where it is time to; never waits."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._reap(self._process)
        elif self._dirty and (now - self._came_at > QUIET_SECONDS or now - self._done_at > LONGEST_SECONDS):
            self._dirty = False
            self._process = subprocess.Popen(  # noqa: S603  # our own command
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the server, which ends it
            )

    def stop(self) -> None:
        """End the work, wherever it is: every transaction leaves a whole."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None

    def _reap(self, process: "subprocess.Popen[str]") -> None:
        _, said = process.communicate()
        self._process, self._done_at = None, time.monotonic()
        if process.returncode and not self._failed:
            why = (said.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
            self._say(f"scores and summaries are not kept up to date, and reports will take longer: {why}")
        self._failed = process.returncode != 0


def bring_up_to_date(database: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Score what is not scored and make all that a report reads; returns how many answers were scored.

    Raises:
        StorageUnavailable: the database cannot be written now.
    """
    # Heavy, and not needed by the server, which only starts processes.
    from collector.comparison.compare import compare
    from collector.store.database import Store
    from collector.summaries.refresh import score_answers

    with Store.open(database) as store:
        scored = score_answers(store, progress)
        compare(store)
    return scored


def main() -> int:
    """Do the work once."""
    try:
        bring_up_to_date(Path(sys.argv[1]))
    except CollectorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
