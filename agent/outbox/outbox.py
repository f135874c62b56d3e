"""Results that no collector has confirmed yet: a SQLite file that survives kills and power cuts.

Every append is one transaction that is on the disk (synchronous FULL) before it returns. It contains the
run's place with its records, so a run resumes after its last committed record. The journal is a write-ahead
log: one sync per commit rather than three, which matters on an SD card. SQLite's WAL has a defect that needs
two writing connections; the state folder's lock ensures that there is only one.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

from agent.errors import OutboxFull, OutboxRolledBack
from agent.outbox.schema import ROW_BYTES, SIZE, check_header, prepare, translated
from agent.outbox.summary import LinkState, Summary, summary
from contract.codec import encode, printable
from contract.messages import SeqRange
from contract.records import Record
from contract.version import FORMAT_VERSION

DEFAULT_LIMIT_BYTES: Final = 64 * 1_048_576
_SLACK: Final = 16
"""A full outbox drops one part in this many at once, so that not every append searches for the oldest."""

WhenFull = Literal["pause", "drop-oldest"]


class Place(NamedTuple):
    """How far a run is, committed together with its records."""

    run_id: str
    next_seq: int = 0
    asked: int = 0
    errors: int = 0
    elapsed_ns: int = 0
    finished: bool = False
    kept: bytes = b""
    """State that is not in its records yet and is needed to resume the run."""


class Added(NamedTuple):
    """Records that are added to a run; see `Outbox.append`."""

    place: Place
    """Of the run after these records."""
    records: Sequence[Record]


class Row(NamedTuple):
    """A waiting record, encoded as it was when it was written."""

    position: int
    """Ascends in the order of appending, over all runs."""
    device_id: str
    run_id: str
    format_version: int
    seq: int
    body: bytes


class Outbox:
    """The only connection to the outbox file that writes.

    Args:
        path: the file.
        limit_bytes: largest size of all records.
        when_full: make the run wait, or drop and count the oldest answers and samples.

    Raises:
        OutboxDamaged: the file is not an outbox, or is damaged.
        StateUnusable: a later distilbench wrote the file, or it cannot be used.
    """

    def __init__(
        self, path: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES, when_full: WhenFull = "pause"
    ) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._when_full = when_full
        self._rolled_back: set[str] = set()
        check_header(path)
        with translated(self._path):
            self._db = sqlite3.connect(path, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        prepare(self._db, self._path)
        self._db.execute("UPDATE link SET limit_bytes = ?", (self._limit_bytes,))
        (self._used,) = self._db.execute(
            f"SELECT {SIZE} FROM records"  # noqa: S608  # our own words
        ).fetchone()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def begin(self, run_id: str, device_id: str, identity: str) -> Place:
        """Add a new run, without records."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, x'')",
                (run_id, device_id, identity, FORMAT_VERSION),
            )
        return Place(run_id)

    def unfinished(self, identity: str, besides: Collection[str] = ()) -> Place | None:
        """The place of the latest unfinished run of this identity; None if there is none.

        Args:
            identity: what is measured and how.
            besides: ids of runs that do not count.
        """
        with translated(self._path):
            found = self._db.execute(
                "SELECT run_id, next_seq, asked, errors, elapsed_ns, finished, kept FROM runs "
                "WHERE identity = ? AND format_version = ? AND NOT finished ORDER BY rowid DESC",
                (identity, FORMAT_VERSION),
            ).fetchall()
        return next((Place(*row) for row in found if row[0] not in besides), None)

    def unfinished_of_older_versions(self) -> list[Place]:
        """The places of unfinished runs whose records have an older format."""
        with translated(self._path):
            found = self._db.execute(
                "SELECT run_id, next_seq, asked, errors, elapsed_ns, finished, kept FROM runs "
                "WHERE format_version < ? AND NOT finished ORDER BY rowid",
                (FORMAT_VERSION,),
            ).fetchall()
        return [Place(*row) for row in found]

    def append(self, place: Place, records: Sequence[Record], at: str) -> None:
        """Commit records and the place of their run after them.

        Args:
            place: its `next_seq` follows the last record's `seq`.
            records: in order of `seq`, without gaps, from the last committed place on.
            at: the time now, for `agent status`.

        Raises:
            OutboxFull: nothing was committed; the same call may succeed when there is room.
            OutboxRolledBack: a collector has other records with these numbers; the run cannot continue.
        """
        self.append_together([Added(place, records)], at)

    def append_together(self, added: Sequence[Added], at: str) -> None:
        """Commit records of several runs at once, as `append` does for one."""
        for run in added:
            if self.rolled_back(run.place.run_id):
                raise OutboxRolledBack(
                    f"a collector has records of run {run.place.run_id[:8]} that this outbox does not know: "
                    f"'{printable(str(self._path))}' was restored from an older copy, so the run starts over"
                )
        bodies = [[encode(record) for record in run.records] for run in added]
        size = sum(len(body) + ROW_BYTES for of_run in bodies for body in of_run)
        if self._used and self._used + size > self._limit_bytes:
            self._make_room(size)
        with self._transaction():
            for run, of_run in zip(added, bodies, strict=True):
                self._add(run, of_run, at)
        self._used += size

    def rolled_back(self, run_id: str) -> bool:
        """Whether a collector has records of a run that this outbox does not know."""
        return run_id in self._rolled_back

    def _add(self, added: Added, bodies: Sequence[bytes], at: str) -> None:
        place, records = added
        (expected,) = self._db.execute(
            "SELECT next_seq FROM runs WHERE run_id = ?", (place.run_id,)
        ).fetchone()
        seqs = [record.seq for record in records]
        assert seqs == list(range(expected, place.next_seq)), "records of a run have no gaps"
        self._db.executemany(
            "INSERT INTO records (run_id, seq, body, appended_at) VALUES (?, ?, ?, ?)",
            [(place.run_id, seq, body, at) for seq, body in zip(seqs, bodies, strict=True)],
        )
        self._db.execute(
            "UPDATE runs SET next_seq = ?, asked = ?, errors = ?, elapsed_ns = ?, finished = ?, kept = ? "
            "WHERE run_id = ?",
            (*place[1:], place.run_id),
        )

    def rows(self, after: int, limit: int, run_id: str | None = None) -> list[Row]:
        """Waiting records after a position, of all runs or of one, in order."""
        with translated(self._path):
            found = self._db.execute(
                "SELECT position, device_id, run_id, format_version, seq, body FROM records "
                "JOIN runs USING (run_id) WHERE refused IS NULL AND position > ? "
                "AND run_id = ifnull(?, run_id) ORDER BY position LIMIT ?",
                (after, run_id, limit),
            ).fetchall()
        return [Row(*row) for row in found]

    def remove(self, run_id: str, ranges: Iterable[SeqRange]) -> int:
        """Delete what a collector has, or what was written to a file; return how many records were deleted.

        If a collector has more records of a run than were ever written here, this file was restored from an
        older copy. Such a run is not continued, since its next numbers are already used.
        """
        lengths: list[int] = []
        ranges = list(ranges)
        with self._transaction():
            latest = max((last for _, last in ranges), default=-1)
            if self._db.execute(
                "UPDATE runs SET finished = 1 WHERE run_id = ? AND next_seq <= ?", (run_id, latest)
            ).rowcount:
                self._rolled_back.add(run_id)
            for first, last in ranges:
                lengths += [
                    length
                    for (length,) in self._db.execute(
                        "DELETE FROM records WHERE run_id = ? AND seq BETWEEN ? AND ? RETURNING length(body)",
                        (run_id, first, last),
                    ).fetchall()
                ]
            self._db.execute(
                "DELETE FROM runs WHERE run_id = ? AND finished "
                "AND NOT EXISTS (SELECT 1 FROM records WHERE records.run_id = runs.run_id)",
                (run_id,),
            )
        self._used -= sum(lengths) + ROW_BYTES * len(lengths)
        return len(lengths)

    def refuse(self, run_id: str, first_seq: int, last_seq: int, reason: str) -> None:
        """Keep records that collector or broker refuse, with the reason, and do not send them again."""
        with self._transaction():
            self._db.execute(
                "UPDATE records SET refused = ? WHERE run_id = ? AND seq BETWEEN ? AND ?",
                (reason, run_id, first_seq, last_seq),
            )

    def release(self) -> int:
        """Let refused records wait again, after an update of collector or broker; return how many."""
        with self._transaction():
            return self._db.execute("UPDATE records SET refused = NULL WHERE refused IS NOT NULL").rowcount

    def note_link(self, state: LinkState, problem: str | None, at: str) -> None:
        """Record the state of delivery, for `agent status`."""
        with self._transaction():
            self._db.execute(
                "UPDATE link SET since = iif(state = ?1, ifnull(since, ?3), ?3), state = ?1, problem = ?2",
                (state, problem, at),
            )

    def pending(self) -> int:
        """Number of records that wait for a receipt."""
        with translated(self._path):
            (count,) = self._db.execute("SELECT count(*) FROM records WHERE refused IS NULL").fetchone()
        return int(count)

    def other_devices(self, device_id: str) -> list[str]:
        """Other devices whose results wait here."""
        with translated(self._path):
            found = self._db.execute(
                "SELECT DISTINCT device_id FROM records JOIN runs USING (run_id) WHERE device_id <> ?",
                (device_id,),
            ).fetchall()
        return [other for (other,) in found]

    def summary(self) -> Summary:
        """What the outbox contains, for people."""
        with translated(self._path):
            return summary(self._db)

    def _make_room(self, size: int) -> None:
        if self._when_full == "pause":
            raise OutboxFull(
                f"the outbox holds {self._used:,} of {self._limit_bytes:,} bytes, and waits for receipts"
            )
        wanted = self._used + size - self._limit_bytes + self._limit_bytes // _SLACK
        with self._transaction():
            # A run is useless without its first and its last record, so these stay.
            oldest = self._db.execute(
                "SELECT position, length(body) FROM records JOIN runs USING (run_id) "
                "WHERE seq > 0 AND NOT (finished AND seq = next_seq - 1) ORDER BY refused IS NULL, position"
            )
            dropped: list[tuple[int]] = []
            freed = 0
            for position, length in oldest:
                if freed >= wanted:
                    break
                dropped.append((position,))
                freed += length + ROW_BYTES
            self._db.executemany("DELETE FROM records WHERE position = ?", dropped)
            self._db.execute(
                "INSERT INTO dropped VALUES ('the outbox was full', ?) "
                "ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count",
                (len(dropped),),
            )
        self._used -= freed

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
