"""Workers that are processes of this machine."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from typing import Final

_START: Final = "spawn"
"""A forked process would share the connections of this one, which SQLite does not allow."""


class LocalEngine:
    """Starts processes when the first order is given. They end with this process, whatever ends it.

    Args:
        count: how many processes.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._others: set[BaseProcess] = set()
        self._executor: ProcessPoolExecutor | None = None

    def executor(self) -> Executor:
        """Return the pool, started if there is none."""
        if self._executor is None:
            self._others = set(multiprocessing.active_children())
            self._executor = ProcessPoolExecutor(
                self._count, multiprocessing.get_context(_START), initializer=_begin
            )
        return self._executor

    def size(self) -> int:
        """Return how many processes there are, or will be."""
        return self._count

    def has_broken(self, error: BaseException) -> bool:
        """Return whether a process died: this breaks the whole pool."""
        return isinstance(error, BrokenExecutor)

    def drop(self) -> None:
        """Drop the pool after a process has died."""
        self.close()

    def explained(self, error: BaseException) -> str | None:
        """Return None: these workers are copies of this process."""
        return None

    def close(self) -> None:
        """End the processes at once: nobody waits for what they are computing."""
        if self._executor is None:
            return
        for process in multiprocessing.active_children():
            if process not in self._others:
                process.kill()
        self._executor.shutdown(cancel_futures=True)
        self._executor = None


def _begin() -> None:
    """Prepare a worker: Ctrl-C is for the process that started it, and it ends with that process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
