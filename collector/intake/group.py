"""Batches that are stored together: their runs are read at once, and their records are written at once.

So a group takes a fixed number of statements, however many batches and runs it has. In between, the rules are
applied to one batch after the other, as if each had been stored before the next one was judged.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from collector.errors import TransactionLost
from collector.intake.known_run import KnownRun, known_runs
from collector.intake.record_rows import are_alike, are_stored, insert
from collector.intake.rules.admission import Admission, admit
from collector.intake.rules.disputes import Disputed
from collector.intake.rules.round_order import borders_among
from collector.intake.stored_ranges import store_ranges
from collector.store.transaction import RowRefused, Transaction
from commandline.clock import utc_now
from contract.errors import Malformed
from contract.messages import Batch
from contract.records import Record
from contract.seq_ranges import holds

_Pairs = tuple[tuple[int, Any], ...]


def store_batches(conn: Transaction, batches: Sequence[Batch], received_at: str) -> list[Admission]:
    """Store batches within the caller's transaction; returns what became of each of them, in order.

    A batch that the database refuses must not block the others: a group with such a batch is stored in
    halves.

    Args:
        conn: the transaction; it has locked the runs.
        batches: what came, in order.
        received_at: the time of arrival, for a run of which nothing came before.

    Raises:
        TransactionLost: another transaction added one of the runs meanwhile.
    """
    if not batches:
        return []
    try:
        with conn.undoable():
            return _store_together(conn, batches, received_at)
    except RowRefused as error:
        if len(batches) == 1:
            (batch,) = batches
            known = known_runs(conn, [batch.run_id])[batch.run_id]
            reason = f"batch of run {batch.run_id} cannot be stored: {error}"
            return [Admission(known, problem=Malformed(reason))]
    middle = len(batches) // 2
    return [
        *store_batches(conn, batches[:middle], received_at),
        *store_batches(conn, batches[middle:], received_at),
    ]


def _store_together(conn: Transaction, batches: Sequence[Batch], received_at: str) -> list[Admission]:
    group = _Group(conn, batches)
    admissions = [group.admit(place, batch) for place, batch in enumerate(batches)]
    group.write(received_at)
    return admissions


class _Group:
    def __init__(self, conn: Transaction, batches: Sequence[Batch]) -> None:
        self._conn = conn
        self._before = known_runs(
            conn,
            dict.fromkeys(batch.run_id for batch in batches),
            borders_of=dict.fromkeys(batch.run_id for batch in batches if borders_among(batch.records)),
            inquired=dict.fromkeys(batch.run_id for batch in batches if not batch.records),
        )
        self._after = dict(self._before)
        self._unlike = _unlike(conn, self._before, batches)
        self._added: dict[str, dict[int, Record]] = {}  # in order of arrival
        self._disputed: set[str] = set()

    def admit(self, place: int, batch: Batch) -> Admission:
        """Judge the batch at a place of the group, after those before it."""
        added = self._added.get(batch.run_id, {})

        def differs(record: Record) -> bool:
            earlier = added.get(record.seq)
            return (place, record.seq) in self._unlike if earlier is None else not are_alike(record, earlier)

        admission = admit(self._after[batch.run_id], batch, differs)
        self._after[batch.run_id] = admission.known
        if admission.fresh:
            self._added[batch.run_id] = added
            added.update((record.seq, record) for record in admission.fresh)
        if isinstance(admission.problem, Disputed):
            self._disputed.add(batch.run_id)
        return admission

    def write(self, received_at: str) -> None:
        """Write what the admitted batches change, each table at once."""
        conn, streams = self._conn, self._streams(received_at)
        insert(conn, {streams[run_id]: records.values() for run_id, records in self._added.items()})
        store_ranges(conn, self._changes(streams, attrgetter("stored")))
        _replace(conn, "processes", "epoch", self._changes(streams, attrgetter("epochs")))
        _replace(conn, "gone", "last_seq", self._changes(streams, attrgetter("gone")))
        if self._disputed:
            now = utc_now()
            conn.executemany(
                "INSERT INTO disputes VALUES (?, ?, ?) ON CONFLICT (stream) DO UPDATE "
                "SET first_seq = excluded.first_seq, last_received_at = excluded.last_received_at",
                [(streams[run_id], self._after[run_id].disputed_from, now) for run_id in self._disputed],
            )

    def _streams(self, received_at: str) -> dict[str, int]:
        """The streams of the runs by their ids, those of new runs among them, which are added."""
        known = {run_id: run.stream for run_id, run in self._before.items() if run.stream is not None}
        new = [
            (run_id, self._after[run_id].owner, received_at) for run_id in self._added if run_id not in known
        ]
        if not new:
            return known
        places = ", ".join(["(?, ?, ?)"] * len(new))
        made = self._conn.execute(
            f"INSERT INTO streams (run_id, device_id, first_received_at) VALUES {places} "  # noqa: S608  # only marks
            "ON CONFLICT (run_id) DO NOTHING RETURNING run_id, stream",
            [value for run in new for value in run],
        ).fetchall()
        if len(made) < len(new):
            raise TransactionLost("another collector added one of the runs meanwhile")
        return {**known, **dict(made)}

    def _changes(
        self, streams: Mapping[str, int], part: Callable[[KnownRun], _Pairs]
    ) -> dict[int, tuple[_Pairs, _Pairs]]:
        """By stream, a part of what is known of a run, before and after, if it changes."""
        parts = ((run_id, part(run), part(self._after[run_id])) for run_id, run in self._before.items())
        return {streams[run_id]: (before, after) for run_id, before, after in parts if before != after}


def _unlike(
    conn: Transaction, runs: Mapping[str, KnownRun], batches: Sequence[Batch]
) -> set[tuple[int, int]]:
    """The place of a batch and the `seq` of a record for all records that are stored otherwise."""
    again: list[tuple[int, int, Record]] = []
    for place, batch in enumerate(batches):
        known = runs[batch.run_id]
        if known.stream is not None and known.stored and known.owner == batch.device_id:
            stream, last = known.stream, known.stored[-1][1]
            again += (
                (place, stream, record)
                for record in batch.records
                if record.seq <= last and holds(known.stored, record.seq)
            )
    if not again:
        return set()
    alike = are_stored(conn, [(stream, record) for _, stream, record in again])
    return {(place, record.seq) for (place, _, record), same in zip(again, alike, strict=True) if not same}


def _replace(
    conn: Transaction, table: str, column: str, changes: Mapping[int, tuple[_Pairs, _Pairs]]
) -> None:
    """Replace the rows of runs in a table of pairs of a first `seq` and something else."""
    if deleted := [(stream,) for stream, (before, _) in changes.items() if before]:
        conn.executemany(f"DELETE FROM {table} WHERE stream = ?", deleted)  # noqa: S608  # our own names
    if rows := [(stream, *pair) for stream, (_, after) in changes.items() for pair in after]:
        conn.insert(table, ("stream", "first_seq", column), rows)
