"""A program of ours as a process."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from agent.machine.system_files import read_kib
from bench.processes.forked import Forked

_START_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05


class Process:
    """One of our programs, which may be killed and started again; never two at once.

    Args:
        log: the file to which it appends what it prints.
        module: the module to run, and its arguments.
        forked: whether to fork it from a process that has imported it. Then the module has a function `main`.
    """

    def __init__(self, log: Path, *module: str, forked: bool = False) -> None:
        self._log = log
        self._command = [sys.executable, "-m", *module]
        self._forked = forked
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def start(self) -> None:
        """Start it, if it does not run; let it continue, if it was stopped."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._started()
        else:
            self._process.send_signal(signal.SIGCONT)

    def _started(self) -> subprocess.Popen[bytes] | Forked:
        if self._forked:
            _, _, module, *arguments = self._command
            return Forked(module, arguments, self._log)
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log)  # noqa: S603  # ours

    def stop(self) -> None:
        """Stop it where it is, as Ctrl-Z does, until `start`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def wait_for(self, words: str) -> None:
        """Wait until it has printed these words.

        Raises:
            SystemExit: it ended before, or took longer than two minutes.
        """
        deadline = time.monotonic() + _START_SECONDS
        while words not in (printed := self._log.read_text(errors="replace")):
            if self.code is not None or time.monotonic() > deadline:
                raise SystemExit(f"bench: '{' '.join(self._command[1:4])}' did not start: {printed.strip()}")
            time.sleep(_POLL_SECONDS)

    def end(self, number: signal.Signals) -> None:
        """Send it a signal and wait for its end."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(90)

    @property
    def pid(self) -> int | None:
        """Its process id; None when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None if it still runs after this time."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def peak_bytes(pid: int) -> int:
    """Highest resident memory of a process so far; 0 if it has ended."""
    return read_kib(Path(f"/proc/{pid}/status"), "VmHWM:") or 0
