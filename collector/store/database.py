"""The collector's database as every part of the collector sees it, whichever kind holds it."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec

from collector.errors import BadInput, NotADatabase, TransactionLost
from collector.store.transaction import Transaction
from contract.codec import printable

T = TypeVar("T")
Where = str | Path
"""What `--db` names: a file, or the address of a database of PostgreSQL."""
_ADDRESS: Final = re.compile(r"postgres(ql)?://")

_MOST_REPEATS: Final = 10
"""After this many repeats at once, the caller waits, as if the database were away."""


def is_address(where: Where) -> bool:
    """Return whether `--db` names a database of PostgreSQL, not a file."""
    return _ADDRESS.match(str(where)) is not None


class Store(ABC):
    """One connection to a collector's database; `opening.open_store` makes one.

    Several processes, and on PostgreSQL several machines, may have the same database open. SQL is what both
    kinds understand: parameters stand as `?`, or as `?1` if one is used several times.
    """

    lock_patience_seconds: float | None = None
    """How long to wait for a process that writes; None waits for ever. See `StorageUnavailable`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.close()
        # Whatever comes from outside is decoded by the contract, which has an error of its own.
        if isinstance(error, msgspec.MsgspecError | json.JSONDecodeError):
            raise NotADatabase(
                f"database {self.name!r} is damaged: a stored value is not what it was: "
                f"{printable(str(error))[:200]}"
            ) from error

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What `--db` names: the path of a file, or a URL. It opens the same database again."""

    @property
    @abstractmethod
    def session_file(self) -> Path:
        """The private file that keeps the secret part of the server's client id, on this machine."""

    @property
    @abstractmethod
    def writable(self) -> bool:
        """Whether the database was opened for writing."""

    @property
    def collector_id(self) -> str:
        """The collector's id, which never changes in the life of the database."""
        return str(self.value("SELECT collector_id FROM identity"))

    @abstractmethod
    def served(self) -> AbstractContextManager[None]:
        """Serve this database during the block. A file has one server; PostgreSQL may have several.

        Raises:
            StorageUnavailable: another process serves this file.
        """

    @abstractmethod
    def deriving(self, stream: int | None = None) -> AbstractContextManager[None]:
        """Be the only process that computes derived data during the block; waits for another to finish.

        The transactions of a block then belong together. Results can be stored meanwhile.

        Args:
            stream: the run of which data is computed; None for all. On PostgreSQL, others may compute what
                is of other runs meanwhile.
        """

    @abstractmethod
    def writing(self) -> AbstractContextManager[Transaction]:
        """Run one transaction: afterwards all of it is on the disk, or none of it.

        What it reads is also on the disk afterwards, and on the standbys that have to have it.

        Raises:
            StorageUnavailable: nothing was stored, or it is not known; the same may succeed later.
            TransactionLost: nothing was stored; the same may succeed at once. See `written`.
            DatabaseMoved: the file at the path is not the one that was written.
        """

    def written(self, work: Callable[[Transaction], T]) -> T:
        """Do work in one transaction, and do it again, whole, if another transaction was in its way.

        Args:
            work: does the same in the end if it is called again.

        Raises:
            StorageUnavailable, DatabaseMoved: see `writing`.
        """
        for _ in range(_MOST_REPEATS):
            try:
                with self.writing() as transaction:
                    return work(transaction)
            except TransactionLost:
                continue
        with self.writing() as transaction:
            return work(transaction)

    @abstractmethod
    def writing_behind(self) -> AbstractContextManager[Transaction]:
        """Like `writing`, for one of many small transactions with data that can be computed again.

        It does not wait for the disk: a power cut may undo the last of these transactions, but leaves the
        database consistent.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Read from one unchanging snapshot of the database during the block."""

    @abstractmethod
    def rows(self, sql: str, *parameters: object) -> Iterator[dict[str, Any]]:
        """Yield rows as dictionaries by column name."""

    @abstractmethod
    def tuples(self, sql: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yield rows as tuples, which is faster than `rows` if there are many."""

    def value(self, sql: str, *parameters: object) -> Any:
        """Return the first column of the first row; None if there is no row."""
        for row in self.tuples(sql, *parameters):
            return row[0]
        return None

    @abstractmethod
    def query(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Run a user's SQL, which may only read this database.

        Returns:
            The column names, and the rows.

        Raises:
            BadInput: the SQL is not one statement, or does more than read.
        """

    @abstractmethod
    def check_tables(self) -> None:
        """Check that the tables are those that a collector makes, since a view may never end.

        Raises:
            BadInput: another program changed the database.
        """

    @abstractmethod
    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names of the columns of each table, by table."""


def other_version(name: str, version: int, own: int) -> NotADatabase:
    """Say that a database has another version of the schema than this program, and what to do."""
    advice = "update distilbench here" if version > own else "update it with collector score"
    return NotADatabase(
        f"database {name!r} has schema version {version}, and this distilbench reads version {own}: {advice}"
    )


def changed(name: str, table: str) -> BadInput:
    """Say that a table of a database is not what it was."""
    return BadInput(
        f"database {name!r} was changed by another program: its table {table!r} is not the one that a "
        "collector makes"
    )
