"""A program that the hub runs, and starts again with growing patience when it ends."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from collector.errors import StorageUnavailable
from commandline.counted import counted
from commandline.program.messages import Problem

FIRST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 60.0
CALM_SECONDS: Final = 60.0
"""After this many seconds without trouble, the next wait is the first one again."""
STOP_SECONDS: Final = 30.0
# If the hub is killed, its programs must end too, or the next hub finds their ports in use (prctl(2)).
_LAUNCH: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(0)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Child:
    """A program that should always run.

    Args:
        name: what messages call it.
        command: its path and arguments.
        say: prints a line for the operator.
        log: takes what the program writes to standard error; that of this process if None.
    """

    def __init__(
        self, name: str, command: Sequence[str], say: Callable[[str], None], log: Path | None = None
    ) -> None:
        self.name = name
        self._command = command
        self._say = say
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_again_at: float | None = None
        self._patience = FIRST_SECONDS
        self._complained = ""

    @property
    def runs(self) -> bool:
        """Whether the program runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program.

        Raises:
            StorageUnavailable: its log cannot be written, or there is no memory for it.
        """
        launch = [sys.executable, "-P", "-c", _LAUNCH, str(os.getpid()), *self._command]
        try:
            log: IO[bytes] | None = None if self._log is None else self._log.open("wb")
            try:
                self._process = subprocess.Popen(  # noqa: S603  # our own command
                    launch,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the hub, which ends its programs in order
                )
            finally:
                if log is not None:
                    log.close()
        except OSError as error:
            raise StorageUnavailable(f"{self.name} cannot be started: {error.strerror or error}") from None
        self._started_at, self._start_again_at = time.monotonic(), None

    def tick(self) -> None:
        """Start the program again if it has ended and it is time for that; never waits."""
        now = time.monotonic()
        if self._start_again_at is None:
            if self.runs:
                return
            if now - self._started_at > CALM_SECONDS:
                self._patience = FIRST_SECONDS
            self._say(
                Problem(
                    f"{self.name} ended ({self.why_it_ended()}); it is started again in "
                    f"{counted(round(self._patience), 'second')}"
                )
            )
            self._start_again_at = now + self._patience
            self._patience = min(2 * self._patience, MOST_SECONDS)
        elif now >= self._start_again_at:
            try:
                self.start()
            except StorageUnavailable as error:
                if str(error) != self._complained:
                    self._complained = str(error)
                    self._say(Problem(self._complained))
                self._start_again_at = now + self._patience
                self._patience = min(2 * self._patience, MOST_SECONDS)
            else:
                self._complained = ""

    def signal(self, number: int) -> None:
        """Send a signal to the program if it runs."""
        if self.runs and self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """End the program, and wait until it has ended; kill it if that takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def why_it_ended(self) -> str:
        """Return what is known of the end: the last line of its log, or else its exit status."""
        if self._log is not None:
            with suppress(OSError):
                lines = self._log.read_bytes()[-4096:].decode(errors="replace").splitlines()
                if lines:
                    return lines[-1].strip()
        return f"exit status {None if self._process is None else self._process.poll()}"
