"""A write transaction of a database file."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from collector.store.transaction import RowRefused

_REFUSALS: Final = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, ValueError)


class SqliteTransaction:
    """A `transaction.Transaction` on a connection that has begun one, and ends it itself."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> sqlite3.Cursor:
        """Run one statement; see `transaction.Transaction`."""
        try:
            return self._conn.execute(sql, parameters)
        except _REFUSALS as error:
            raise RowRefused(str(error)) from error

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]], /) -> sqlite3.Cursor:
        """Run one statement for each sequence of parameters; see `transaction.Transaction`."""
        try:
            return self._conn.executemany(sql, parameters)
        except _REFUSALS as error:
            raise RowRefused(str(error)) from error

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]], /) -> None:
        """Insert many rows into a table; see `transaction.Transaction`."""
        places = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  # our own names
        self.executemany(sql, rows)

    @contextmanager
    def undoable(self) -> Iterator[None]:
        """Undo, if an error leaves the block, what was done in it; see `transaction.Transaction`."""
        self._conn.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._conn.in_transaction:  # SQLite ends it by itself if, for example, the disk is full
                self._conn.execute("ROLLBACK TO part")
                self._conn.execute("RELEASE part")
            raise
        self._conn.execute("RELEASE part")

    def lock_runs(self, run_ids: Iterable[str], /) -> None:
        """Do nothing: no other transaction writes meanwhile."""
