"""Results that no collector has confirmed yet, in a SQLite file that survives kills and power cuts.

Confirmed results are kept as long as there is room (see `receipted`).

Every append is one transaction that is on the disk before it returns. It contains the run's place with its
records, so a run resumes after its last committed record.
"""

import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from agent.errors import OutboxFull, OutboxRolledBack
from agent.outbox.outbox_file import OutboxFile
from agent.outbox.receipted import WRITTEN_ELSEWHERE, Confirmed, KeptRun, Receipted
from agent.outbox.room import delete_oldest, delete_past_runs, delete_receipted
from agent.outbox.rows import Added, Place, Row, add
from agent.outbox.run_ends import run_end, waits_for
from agent.outbox.schema import ROW_BYTES, SIZE, WAITING
from agent.outbox.summary import LinkState, RefusedRecords, Summary, refused, summary
from contract.codec import encode, printable
from contract.messages import Epochs, SeqRange, SeqRanges, Stream
from contract.records import Record, RunFinished
from contract.version import FORMAT_VERSION

DEFAULT_LIMIT_BYTES: Final = 64 * 1_048_576
FREE_BYTES: Final = 64 * 1_048_576
"""Records that a collector has are kept only while the disk has this much room left."""
_SLACK: Final = 16
"""A full outbox drops one part in this many at once, so that not every append searches for the oldest."""

WhenFull = Literal["pause", "drop-oldest"]


class Outbox:
    """The only user of the outbox file that writes.

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
        self._limit_bytes = limit_bytes
        self._when_full = when_full
        self._written_elsewhere: set[str] = set()
        self._file = OutboxFile(path)
        try:
            self._receipted = Receipted(self._file.prepare())
            with self._file.reading() as db:
                db.execute("UPDATE link SET limit_bytes = ?", (limit_bytes,))
                sql = f"SELECT {SIZE} FROM records"  # noqa: S608  # our own words
                (self._used,) = db.execute(sql).fetchone()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def missing(self) -> str | None:
        """The beginning of a sentence if the file was moved, deleted or replaced since it was opened.

        It stays open, and what waits in it can still be delivered, but it is lost with this process.
        """
        if self._file.is_in_place:
            return None
        path = printable(str(self._file.path))
        return f"the outbox '{path}' was moved, deleted or replaced while it was in use"

    def begin(self, run_id: str, device_id: str, identity: str) -> Place:
        """Add a new run, without records."""
        with self._file.writing() as db:
            db.execute(
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
        with self._file.reading() as db:
            found = db.execute(
                "SELECT run_id, next_seq, asked, errors, elapsed_ns, finished, kept FROM runs "
                "WHERE identity = ? AND format_version = ? AND NOT finished ORDER BY rowid DESC",
                (identity, FORMAT_VERSION),
            ).fetchall()
        return next((Place(*row) for row in found if row[0] not in besides), None)

    def run_end(self, identity: str) -> RunFinished | None:
        """The last record of the latest run of this identity; None if it was not measured to its end.

        None as well if it is delivered and deleted.
        """
        with self._file.reading() as db:
            return run_end(db, identity)

    def waits_for(self, order: str) -> bool:
        """Whether a record of an order's runs waits for a receipt."""
        with self._file.reading() as db:
            return waits_for(db, order)

    def unfinished_of_older_versions(self) -> list[Place]:
        """The places of unfinished runs whose records have an older format."""
        with self._file.reading() as db:
            found = db.execute(
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
                raise OutboxRolledBack(f"run {run.place.run_id[:8]} starts over: {WRITTEN_ELSEWHERE}")
        bodies = [[encode(record) for record in run.records] for run in added]
        size = sum(len(body) + ROW_BYTES for of_run in bodies for body in of_run)
        if self._used and self._used + size > self._limit_bytes:
            self._make_room(size)
        try:
            self._commit(added, bodies, at)
        except OutboxFull:
            if not self._delete_receipted():
                raise
            self._commit(added, bodies, at)
        self._used += size

    def rolled_back(self, run_id: str) -> bool:
        """Whether a collector has other records of a run, so that the run cannot continue."""
        return run_id in self._written_elsewhere

    def rows(self, after: int, limit: int, run_id: str | None = None) -> list[Row]:
        """Waiting records after a position, of all runs or of one, in order."""
        with self._file.reading() as db:
            found = db.execute(
                "SELECT position, device_id, run_id, format_version, seq, body FROM records "  # noqa: S608
                f"JOIN runs USING (run_id) WHERE {WAITING} AND position > ? "
                "AND run_id = ifnull(?, run_id) ORDER BY position LIMIT ?",
                (after, run_id, limit),
            ).fetchall()
        return [Row(*row) for row in found]

    def epochs(self, run_id: str) -> Epochs:
        """The processes that wrote a run here, in order."""
        with self._file.reading():
            return self._receipted.epochs(run_id)

    def confirm(self, collector_id: str, stream: Stream, *, asked: bool = False) -> Confirmed:
        """Note what a collector has of a run, and what it refuses.

        What it has waits no longer, and is kept while there is room. What it refuses is kept, and not sent
        again. If another board has written records of this run that the collector has, the run ends here.

        Args:
            collector_id: the collector.
            stream: its receipt of the run.
            asked: whether it was asked what it has. Only then does a receipt decide whether the collector has
                lost records, which wait again: of two receipts on their way, the older one names fewer.
        """
        with self._file.writing():
            confirmed = self._receipted.take(collector_id, stream, asked=asked)
        if confirmed.written_elsewhere:
            self._written_elsewhere.add(stream.run_id)
        if confirmed.taken and self._disk_is_short():
            self._delete_receipted()
        return confirmed

    def remove(self, run_id: str, ranges: Iterable[SeqRange]) -> int:
        """Delete records that were written to a file; return how many."""
        lengths: list[int] = []
        with self._file.writing() as db:
            for first, last in ranges:
                lengths += [
                    length
                    for (length,) in db.execute(
                        "DELETE FROM records WHERE run_id = ? AND seq BETWEEN ? AND ? RETURNING length(body)",
                        (run_id, first, last),
                    ).fetchall()
                ]
            delete_past_runs(db)
        self._used -= sum(lengths) + ROW_BYTES * len(lengths)
        return len(lengths)

    def kept_runs(self, device_id: str) -> list[KeptRun]:
        """The runs of a device of which records are kept that a collector has, the latest first."""
        with self._file.reading():
            return self._receipted.runs(device_id)

    def gone(self, run_id: str) -> SeqRanges:
        """The records of a run that were written here, and are not here any more."""
        with self._file.reading():
            return self._receipted.gone(run_id)

    def refuse(self, run_id: str, first_seq: int, last_seq: int, reason: str) -> None:
        """Keep waiting records that nobody takes, with the reason, and do not send them again."""
        with self._file.writing():
            self._receipted.set_aside(run_id, first_seq, last_seq, reason)

    def release(self) -> int:
        """Let refused records wait again, after an update of collector or broker; return how many."""
        with self._file.writing() as db:
            return db.execute("UPDATE records SET refused = NULL WHERE refused IS NOT NULL").rowcount

    def note_link(self, state: LinkState, problem: str | None, at: str) -> None:
        """Record the state of delivery, for `agent status`."""
        with self._file.writing() as db:
            db.execute(
                "UPDATE link SET since = iif(state = ?1, ifnull(since, ?3), ?3), state = ?1, problem = ?2",
                (state, problem, at),
            )

    def pending(self) -> int:
        """Number of records that wait for a receipt."""
        with self._file.reading() as db:
            sql = f"SELECT count(*) FROM records WHERE {WAITING}"  # noqa: S608  # our own words
            (count,) = db.execute(sql).fetchone()
        return int(count)

    def refused(self) -> tuple[RefusedRecords, ...]:
        """The records that are set aside, by the reason."""
        with self._file.reading() as db:
            return refused(db)

    def dropped(self) -> int:
        """Number of records that no collector will get as things are: refused ones and dropped ones."""
        with self._file.reading() as db:
            (deleted,) = db.execute("SELECT ifnull(sum(count), 0) FROM dropped").fetchone()
        return int(deleted) + sum(each.count for each in self.refused())

    def knows(self, run_id: str) -> bool:
        """Whether a run was begun here; of those that are delivered and deleted, the latest are known."""
        sql = "SELECT 1 FROM runs WHERE run_id = ?1 UNION ALL SELECT 1 FROM past_runs WHERE run_id = ?1"
        with self._file.reading() as db:
            return db.execute(sql, (run_id,)).fetchone() is not None

    def other_devices(self, device_id: str) -> list[str]:
        """Other devices whose results wait here."""
        with self._file.reading() as db:
            found = db.execute(
                "SELECT DISTINCT device_id FROM records JOIN runs USING (run_id) "
                "WHERE device_id <> ? AND receipted IS NULL",
                (device_id,),
            ).fetchall()
        return [other for (other,) in found]

    def summary(self) -> Summary:
        """What the outbox contains, for people."""
        with self._file.reading() as db:
            return summary(db)

    def _commit(self, added: Sequence[Added], bodies: Sequence[Sequence[bytes]], at: str) -> None:
        with self._file.writing() as db:
            for run, of_run in zip(added, bodies, strict=True):
                add(db, run, of_run, at)

    def _disk_is_short(self) -> bool:
        try:
            return shutil.disk_usage(self._file.path.parent).free < FREE_BYTES
        except OSError:
            return True

    def _delete_receipted(self, wanted_bytes: int | None = None) -> int:
        with self._file.writing() as db:
            deleted = delete_receipted(db, wanted_bytes)
        self._used -= deleted.size
        return deleted.size

    def _make_room(self, size: int) -> None:
        wanted = self._used + size - self._limit_bytes + self._limit_bytes // _SLACK
        wanted -= self._delete_receipted(wanted)
        if self._used + size <= self._limit_bytes:
            return
        if self._when_full == "pause":
            raise OutboxFull(
                f"the outbox holds {self._used:,} of {self._limit_bytes:,} bytes, and waits for receipts"
            )
        with self._file.writing() as db:
            deleted = delete_oldest(db, wanted)
        self._used -= deleted.size
