"""Results that no collector has receipted yet: a SQLite file that survives kills and power cuts.

Every append is one transaction that is on the disk (synchronous FULL) before it returns, and holds the
run's place with its records, so a run goes on where its last committed record left it. The journal is a
write-ahead log: one sync a commit rather than three, which an SD card notices. SQLite's WAL has a defect
that needs two writing connections; the state folder's lock sees to it that there is one.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from agent.errors import StateUnusable
from contract.codec import encode, printable
from contract.messages import SeqRange
from contract.records import Record
from contract.version import FORMAT_VERSION

SCHEMA_VERSION: Final = 1

_SCHEMA = """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    identity TEXT NOT NULL,        -- what is measured and how: equal for runs that may be continued
    format_version INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    asked INTEGER NOT NULL,        -- questions recorded, counted along the run's order
    errors INTEGER NOT NULL,
    elapsed_ns INTEGER NOT NULL,
    finished INTEGER NOT NULL
) STRICT;
CREATE TABLE records (
    position INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice, so a sender's place stays valid
    run_id TEXT NOT NULL REFERENCES runs,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,            -- JSON of the record
    appended_at TEXT NOT NULL,
    refused TEXT,                  -- why a collector will not take it; NULL while it waits
    UNIQUE (run_id, seq)
) STRICT;
"""


class Place(NamedTuple):
    """Where a run is, committed together with its records."""

    run_id: str
    next_seq: int = 0
    asked: int = 0
    errors: int = 0
    elapsed_ns: int = 0
    finished: bool = False


class Row(NamedTuple):
    """A record that waits, encoded as it was when it was written."""

    position: int
    """Ascends in the order of appending, over all runs."""
    device_id: str
    run_id: str
    format_version: int
    seq: int
    body: bytes


class Refused(msgspec.Struct, frozen=True):
    """Records that collectors refused for one reason: kept, and not sent again."""

    reason: str
    count: int


class Summary(msgspec.Struct, frozen=True):
    """What the outbox holds, for people."""

    pending: int = 0
    """Records that wait for a receipt."""
    oldest: str | None = None
    """When the oldest of them was written."""
    dropped: int = 0
    """Records that no collector will get, as things are."""
    refused: tuple[Refused, ...] = ()
    unfinished_runs: int = 0
    """Runs that can be continued."""


class Outbox:
    """The only connection to the outbox file that writes.

    Raises:
        StateUnusable: not an outbox, one of a later distilbench, or a disk that does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told():
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._prepare()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def begin(self, run_id: str, device_id: str, identity: str) -> Place:
        """Enter a new run, without records."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0)",
                (run_id, device_id, identity, FORMAT_VERSION),
            )
        return Place(run_id)

    def unfinished(self, identity: str) -> Place | None:
        """The latest run of this identity that was not finished."""
        with self._told():
            row = self._db.execute(
                "SELECT run_id, next_seq, asked, errors, elapsed_ns FROM runs "
                "WHERE identity = ? AND format_version = ? AND NOT finished ORDER BY rowid DESC LIMIT 1",
                (identity, FORMAT_VERSION),
            ).fetchone()
        return Place(*row) if row else None

    def append(self, place: Place, records: Sequence[Record], at: str) -> None:
        """Commit records and the place of their run after them.

        Args:
            place: its `next_seq` follows the last record's `seq`.
            records: in order of `seq`, without gaps, from the place that was committed before.
            at: the time now, for `agent status`.
        """
        with self._transaction():
            (expected,) = self._db.execute(
                "SELECT next_seq FROM runs WHERE run_id = ?", (place.run_id,)
            ).fetchone()
            seqs = [record.seq for record in records]
            assert seqs == list(range(expected, place.next_seq)), "records of a run have no gaps"
            self._db.executemany(
                "INSERT INTO records (run_id, seq, body, appended_at) VALUES (?, ?, ?, ?)",
                [(place.run_id, record.seq, encode(record), at) for record in records],
            )
            self._db.execute(
                "UPDATE runs SET next_seq = ?, asked = ?, errors = ?, elapsed_ns = ?, finished = ? "
                "WHERE run_id = ?",
                (*place[1:], place.run_id),
            )

    def rows(self, after: int, limit: int, run_id: str | None = None) -> list[Row]:
        """Records that wait, of all runs or one, beyond a position, in order."""
        with self._told():
            found = self._db.execute(
                "SELECT position, device_id, run_id, format_version, seq, body FROM records "
                "JOIN runs USING (run_id) WHERE refused IS NULL AND position > ? "
                "AND run_id = ifnull(?, run_id) ORDER BY position LIMIT ?",
                (after, run_id, limit),
            ).fetchall()
        return [Row(*row) for row in found]

    def remove(self, run_id: str, ranges: Iterable[SeqRange]) -> int:
        """Forget what a collector has, or what was written to a file; returns how many records that were."""
        with self._transaction():
            removed = sum(
                self._db.execute(
                    "DELETE FROM records WHERE run_id = ? AND seq BETWEEN ? AND ?", (run_id, first, last)
                ).rowcount
                for first, last in ranges
            )
            self._db.execute(
                "DELETE FROM runs WHERE run_id = ? AND finished "
                "AND NOT EXISTS (SELECT 1 FROM records WHERE records.run_id = runs.run_id)",
                (run_id,),
            )
        return removed

    def refuse(self, run_id: str, first_seq: int, last_seq: int, reason: str) -> None:
        """Keep what a collector will not take, with its reason, and send it no more."""
        with self._transaction():
            self._db.execute(
                "UPDATE records SET refused = ? WHERE run_id = ? AND seq BETWEEN ? AND ?",
                (reason, run_id, first_seq, last_seq),
            )

    def pending(self) -> int:
        """Records that wait for a receipt."""
        with self._told():
            (count,) = self._db.execute("SELECT count(*) FROM records WHERE refused IS NULL").fetchone()
        return int(count)

    def other_devices(self, device_id: str) -> list[str]:
        """Devices but this one whose results wait here."""
        with self._told():
            found = self._db.execute(
                "SELECT DISTINCT device_id FROM records JOIN runs USING (run_id) WHERE device_id <> ?",
                (device_id,),
            ).fetchall()
        return [other for (other,) in found]

    def summary(self) -> Summary:
        """What the outbox holds, for people."""
        with self._told():
            return _summary(self._db)

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StateUnusable(
                f"the outbox '{printable(str(self._path))}' was written by a later distilbench: "
                "update distilbench here"
            )
        if version == 0:
            with self._transaction():
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        with _told(self._path):
            yield


def summarise(path: Path) -> Summary:
    """What an outbox holds, read beside an agent that works on it; a missing one holds nothing.

    Raises:
        StateUnusable: not an outbox.
    """
    if not path.exists():
        return Summary()
    with _told(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return _summary(db)


def _summary(db: sqlite3.Connection) -> Summary:
    pending, oldest = db.execute(
        "SELECT count(*), min(appended_at) FROM records WHERE refused IS NULL"
    ).fetchone()
    refused = tuple(
        Refused(reason, count)
        for reason, count in db.execute(
            "SELECT refused, count(*) FROM records WHERE refused IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )
    )
    (unfinished,) = db.execute("SELECT count(*) FROM runs WHERE NOT finished").fetchone()
    return Summary(pending, oldest, sum(reason.count for reason in refused), refused, unfinished)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StateUnusable(f"the outbox '{printable(str(path))}' cannot be used: {error}") from None
