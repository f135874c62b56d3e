"""Runs pip, which can take minutes, so that the end of the hub ends it."""

import subprocess
import sys
from importlib.util import find_spec
from threading import Lock
from typing import Final

from collector.errors import StorageUnavailable

MOST_SECONDS: Final = 1_800.0
_PROGRAM: Final = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


class NoWheel(StorageUnavailable):
    """A wheel cannot be had; the message says why, and what to do."""


class Pip:
    """pip of this environment."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._lock = Lock()

    def run(self, what: str, *arguments: str) -> None:
        """Run a command of pip.

        Args:
            what: what it is for, as the end of a sentence that begins with "the hub cannot".
            arguments: the command and its options.

        Raises:
            NoWheel: it failed; the message has its last error.
        """
        if find_spec("pip") is None:
            raise NoWheel(
                f"the hub cannot {what}, since its environment has no pip: run {sys.executable} -m "
                "ensurepip, or use collector hub --wheels FOLDER"
            )
        try:
            status, errors = self._run(*arguments)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoWheel(f"the hub cannot {what}: {error}") from None
        if status:
            lines = errors.strip().splitlines() or ["pip says nothing"]
            told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
            told = [said for said in told if said != "Exception:"]  # after which pip prints a traceback
            raise NoWheel(f"the hub cannot {what}: {(told or lines)[-1]}")

    def stop(self) -> None:
        """End what runs; nothing more can be run."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def _run(self, *arguments: str) -> tuple[int, str]:
        with self._lock:
            if self._stopped:
                raise OSError("the hub stops")
            process = subprocess.Popen(  # noqa: S603  # our own command
                [sys.executable, "-P", *_PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the hub
            )
            self._running.add(process)
        try:
            _, errors = process.communicate(timeout=MOST_SECONDS)
        finally:
            process.kill()
            process.wait()
            with self._lock:
                self._running.discard(process)
        return process.returncode, errors
