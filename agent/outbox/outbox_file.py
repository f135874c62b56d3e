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
        return self._db

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
