"""Our programs as processes that are forked from one that has imported them, so that starts cost nothing.

For tests of hundreds of starts and kills, of which each would spend half a second on its imports. Memory is
shared with the process that they are forked from, so it is not measured here.
"""

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        *("bench.processes.device", "collector.cli", "collector.serving.server"),
        *("bench.blows.board", "bench.blows.parrot", "tests.mosquitto"),  # of `bench.chaos`
    ]
)
_LOCK: Final = threading.Lock()
"""`multiprocessing` looks after the processes of all threads whenever one of them starts another."""


class Forked:
    """A running program, with the part of `subprocess.Popen` that `Process` uses.

    Args:
        module: the module whose function `main` is the program.
        arguments: the command line.
        log: the file to which it appends what it prints.
    """

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        target = _CONTEXT.Process(target=_run, args=(module, arguments, log), daemon=True)
        with _LOCK:
            target.start()
        assert target.pid is not None
        self.pid: int = target.pid
        self._process = target

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        with _LOCK:
            return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Wait for its end, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after this time.
        """
        wait([self._process.sentinel], seconds)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, seconds)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, which its parent does not know yet
                os.kill(self.pid, number)


def _run(module: str, arguments: Sequence[str], log: Path) -> None:
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = [module, *arguments]
    sys.exit(import_module(module).main())
