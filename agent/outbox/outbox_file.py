"""The connection to an outbox file, and its transactions.

Every transaction is on the disk (synchronous FULL) when it ends. The journal is a write-ahead log: one sync
per commit rather than three, which matters on an SD card. SQLite's WAL has a defect that needs two writing
connections; the state folder's lock ensures that there is only one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.outbox.schema import check_header, prepare, translated

_Inode = tuple[int, int] | None
"""What identifies a file; None if there is none."""


class OutboxFile:
    """The only connection to an outbox file that writes.

    Args:
        path: the file; it is created if it does not exist.

    Raises:
        OutboxDamaged: the file is not an outbox.
        StateUnusable: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: tuple[_Inode, ...] = ()
        check_header(path)
        with translated(path):
            self._db = sqlite3.connect(path, isolation_level=None)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def prepare(self) -> sqlite3.Connection:
        """Create the tables, or bring them up to date; returns the connection.

        Raises:
            OutboxDamaged: the file is not an outbox, or is damaged.
            StateUnusable: a later distilbench wrote the file, or it cannot be used.
        """
        with translated(self.path):
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            prepare(self._db, self.path)
        self._files = self._found()
        return self._db

    @property
    def is_in_place(self) -> bool:
        """Whether the file and its log are still at their paths; if not, closing them loses them."""
        return self._found() == self._files

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Use the connection; errors of SQLite become the agent's, see `translated`."""
        with translated(self.path):
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction: afterwards all of it is on the disk, or none of it.

        Raises:
            OutboxFull: the disk is full now.
            OutboxDamaged: the file is damaged.
            StateUnusable: the file cannot be used.
        """
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _found(self) -> tuple[_Inode, ...]:
        return tuple(map(_inode, (self.path, self.path.with_name(f"{self.path.name}-wal"))))


def _inode(path: Path) -> _Inode:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
