"""A write transaction in PostgreSQL."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from collector.store.postgres.connection import Connection, translated
from collector.store.postgres.dialect import numbered
from collector.store.postgres.watch import Watch
from collector.store.transaction import RowRefused

_LOCK: Final = "SELECT pg_advisory_xact_lock(run) FROM unnest($1::bigint[]) AS run"

# The server would otherwise read a whole table for a group of many runs, or compile the statement: both cost
# more than all the look-ups. It decides by the sizes of its tables, which it often does not know.
_LOOK_UP: Final = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off"


class PostgresTransaction:
    """A `transaction.Transaction` on a connection that has begun one, and ends it itself."""

    def __init__(self, conn: Connection, name: str, watch: Watch) -> None:
        self._conn = conn
        self._name = name
        self._watch = watch

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run one statement; see `transaction.Transaction`."""
        with self._refusing():
            return self._conn.execute(numbered(sql).encode(), parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]], /) -> None:
        """Run one statement for each sequence of parameters; see `transaction.Transaction`."""
        with self._refusing(), self._conn.cursor() as cursor:
            cursor.executemany(numbered(sql).encode(), parameters)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]], /) -> None:
        """Insert many rows into a table by COPY; see `transaction.Transaction`."""
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._refusing(), self._conn.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def undoable(self) -> Iterator[None]:
        """Undo, if an error leaves the block, what was done in it; see `transaction.Transaction`."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if not self._conn.closed:
                self.execute("ROLLBACK TO SAVEPOINT part")
                self.execute("RELEASE SAVEPOINT part")
            raise
        self.execute("RELEASE SAVEPOINT part")

    def lock_runs(self, run_ids: Iterable[str], /) -> None:
        """Keep every other transaction from changing these runs; see `transaction.Transaction`.

        These are advisory locks, in order of their numbers: they exist for a run of which nothing is stored
        yet, they write nothing, and the database ends them with the transaction. Whoever locks runs looks up
        their rows by key.
        """
        if numbers := sorted({_number(run_id) for run_id in run_ids}):
            with self._refusing():
                self._conn.execute(_LOOK_UP.encode(), prepare=False)
            self.execute(_LOCK, (numbers,))

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        self._watch.note()
        try:
            with translated(self._name):
                yield
        except (OverflowError, UnicodeError) as error:
            raise RowRefused(str(error)) from error


def _number(run_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest(), signed=True)
