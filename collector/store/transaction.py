"""What a store offers within one transaction, whichever kind of database holds it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from collector.errors import CollectorError


class RowRefused(CollectorError):
    """The database refuses a row: a value is out of its range, or breaks a constraint of its table.

    In PostgreSQL the transaction can go on only if this was within `undoable`.
    """


def storable(text: str) -> str:
    """Replace the character that not every kind of database can store, NUL: a sender may write any text."""
    return text.replace("\0", "?")


class Rows(Protocol):
    """The rows that a statement gives, each a sequence of values."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""


class Transaction(Protocol):
    """Statements that are stored together or not at all. Parameters stand as `?` in every SQL."""

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> Rows:
        """Run one statement.

        Raises:
            RowRefused: the database refuses a row.
        """

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]], /) -> object:
        """Run one statement for each sequence of parameters.

        Raises:
            RowRefused: the database refuses a row.
        """

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]], /) -> None:
        """Insert many rows into a table in the fastest way that the database has.

        Raises:
            RowRefused: the database refuses a row.
        """

    def undoable(self) -> AbstractContextManager[None]:
        """Undo, if an error leaves the block, what was done in it, and nothing else."""

    def lock_runs(self, run_ids: Iterable[str], /) -> None:
        """Keep every other transaction from changing these runs until this one ends.

        A transaction calls it once, before it reads what is stored of them. All transactions lock runs
        in one order, so that two cannot wait for each other. SQLite has one writer, and nothing to do.
        """
