"""Keeps run summaries up to date, so that reports are fast: `python -m collector.serving.upkeep FILE`.

A server starts this as a separate process, so that it does not hold the interpreter lock that results wait
for, and frees its memory when it ends. It has normal priority: with a low one it might wait for a processor
while it holds the file's lock, and results would wait for it.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import collector
from collector.errors import CollectorError
from collector.store.database import Where
from commandline.program.messages import Problem

if TYPE_CHECKING:
    from collector.workers.workers import Workers

QUIET_SECONDS: Final = 5.0
"""An update starts after this many seconds without results."""
LONGEST_SECONDS: Final = 300.0
"""An update starts after this many seconds even if results never stop arriving."""
_STOP_SECONDS: Final = 10.0
# A file in the current folder that is named like a library must not be imported (-P), and the process must
# run the same copy of this package as the server.
_PROGRAM: Final = """
import sys
sys.path.append(sys.argv.pop(1))
from collector.serving.upkeep import main
sys.exit(main())
"""


class Upkeep:
    """Starts an update when one is needed and results leave time for it; one process at a time."""

    def __init__(self, database: Where, say: Callable[[str], None], workers: str | None = None) -> None:
        """Prepare. The first update is always needed: results may have arrived before this process.

        Args:
            database: what `--db` names.
            say: prints a line for the operator if an update fails.
            workers: who computes, as `--workers` names them; None for a single process.
        """
        package = str(Path(collector.__file__).parent.parent)
        self._command = (
            sys.executable,
            "-P",
            "-c",
            _PROGRAM,
            package,
            str(database),
            *([] if workers is None else [workers]),
        )
        self._say = say
        self._process: subprocess.Popen[str] | None = None
        self._dirty = True
        self._failed = False
        self._received_at = self._done_at = time.monotonic()

    @property
    def working(self) -> bool:
        """Whether an update is running, or has ended and `tick` has not noticed yet."""
        return self._process is not None

    def note_results(self) -> None:
        """Note that results arrived."""
        self._dirty = True
        self._received_at = time.monotonic()

    def tick(self) -> None:
        """Start an update if it is time for one, or clean up after one that ended; never waits."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._reap(self._process)
        elif self._dirty and (
            now - self._received_at > QUIET_SECONDS or now - self._done_at > LONGEST_SECONDS
        ):
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
        """End a running update at any point: every transaction leaves the database consistent."""
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
        _, errors = process.communicate()
        self._process, self._done_at = None, time.monotonic()
        if process.returncode and not self._failed:
            why = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
            self._say(
                Problem(f"scores and summaries are not kept up to date, and reports will take longer: {why}")
            )
        self._failed = process.returncode != 0


def bring_up_to_date(
    database: Where,
    progress: Callable[[str, int, int], None] | None = None,
    workers: "Workers | None" = None,
) -> int:
    """Score unscored answers and compute all that a report reads; returns how many answers were scored.

    Args:
        database: what `--db` names.
        progress: called with a stage, how much of it is done and how much there is.
        workers: compute; None if this process does.

    Raises:
        StorageUnavailable: the database cannot be written now.
    """
    # Heavy, and not needed by the server, which only starts processes.
    from collector.comparison.compare import COMPARISON, SCORES, compare
    from collector.store.opening import open_store
    from collector.summaries.refresh import score_answers

    with open_store(database) as store:
        scored = score_answers(store, progress and partial(progress, SCORES), workers)
        compare(store, progress=progress and partial(progress, COMPARISON), workers=workers)
    return scored


def main() -> int:
    """Update the database that the command line names, once; after it, who computes may be named."""
    from collector.workers.workers import workers_of

    database, *named = sys.argv[1:]
    try:
        with ExitStack() as stack:
            workers = stack.enter_context(workers_of(named[0])) if named else None
            bring_up_to_date(database, workers=workers)
    except CollectorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
