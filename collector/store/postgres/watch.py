"""Ends the wait for a server that does not answer."""

import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg

from collector.store.postgres.connection import Connection

GRACE_SECONDS: Final = 5
"""How long a server may take to cancel a statement."""


class Watch:
    """Looks, in a thread of its own, for statements that take too long.

    After its time a statement is cancelled: no timeout of PostgreSQL ends a commit that waits for a standby.
    A server that does not even cancel it has stopped, though its machine still answers for it: its connection
    is cut, so that the next one is made to another host of the address, or fails with a reason.

    Args:
        seconds: how long a statement may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._conn: Connection | None = None
        self._due = math.inf
        self._cancelled = False
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, conn: Connection) -> Iterator[None]:
        """Watch the statements of a connection in the block."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        self._conn = conn
        self.note()
        try:
            yield
        finally:
            self._due = math.inf

    def note(self) -> None:
        """Note that a statement begins."""
        self._cancelled = False
        self._due = time.monotonic() + self._seconds

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        # It never sleeps longer than a statement may take: it is awake when one is due.
        while not self._closed.wait(min(max(self._due - time.monotonic(), 0.0), self._seconds)):
            if time.monotonic() < self._due or self._conn is None:
                continue
            if self._cancelled:
                self._due = math.inf
                self._cut(self._conn)
            else:
                self._cancelled = True
                self._due += GRACE_SECONDS
                with suppress(psycopg.Error):
                    self._conn.cancel_safe(timeout=GRACE_SECONDS)

    def _cut(self, conn: Connection) -> None:
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(conn.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
