"""Stores the records of messages, rejects messages that cannot be stored, and makes the receipts.

It does not depend on MQTT: a delivery may come from a broker or from a file. Deliveries that arrive together
are stored in one transaction, and the receipts are true once it is committed.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from collector.intake import record_rows as rows
from collector.intake import rejected
from collector.intake.incoming import Delivery, claim
from collector.intake.round_order import rounds_problem
from collector.intake.seq_ranges import holds, merged, place_of
from collector.store.database import Store
from commandline.clock import utc_now
from contract.bundle import decode_manifest
from contract.codec import encode
from contract.errors import ContractError, Malformed, TooNew
from contract.fields import MAX_INT
from contract.messages import Batch, Receipt, Refusal, SeqRange, Stream, decode_message
from contract.records import Answer, Record, RunFinished, RunStarted
from contract.topics import parse_topic

MAX_RECEIPT_RANGES: Final = 4096
"""The most ranges in a receipt, so that it fits into a message; it may name fewer than are stored."""
MAX_RANGES: Final = MAX_RECEIPT_RANGES
"""The most ranges of a run. Each message of a run reads them: a run with millions would stop all others."""
MAX_RECEIPT_REFUSALS: Final = 50
"""The most refusals in a receipt, for the same reason; what is not named is sent, and refused, again."""


class Ingested(NamedTuple):
    """The result of storing deliveries."""

    stored: int
    """How many records are new."""
    duplicates: int
    """How many records had been stored before."""
    rejected: int
    """How many messages were rejected."""
    receipts: tuple[Receipt, ...]
    """One receipt per run and device, to be sent after the commit."""


class Tally:
    """Counts what a transaction stores and rejects, and collects what its receipts need."""

    def __init__(self) -> None:
        self.kept_bytes: int | None = None
        self.stored = self.duplicates = self.rejected = 0
        self.ranges: dict[tuple[str, str], tuple[SeqRange, ...]] = {}
        self.refused: dict[tuple[str, str], list[Refusal]] = {}

    def receipts(self, collector_id: str) -> tuple[Receipt, ...]:
        """Return the receipts for what was stored or refused; they are true after the commit."""
        return tuple(
            Receipt(
                device_id=device_id,
                collector_id=collector_id,
                streams=(
                    Stream(
                        run_id=run_id,
                        stored=self.ranges.get((device_id, run_id), ())[:MAX_RECEIPT_RANGES],
                        refused=tuple(self.refused.get((device_id, run_id), ())[:MAX_RECEIPT_REFUSALS]),
                    ),
                ),
            )
            for device_id, run_id in dict.fromkeys((*self.ranges, *self.refused))
        )


def ingest(store: Store, deliveries: Sequence[Delivery]) -> Ingested:
    """Store the records of all deliveries, in one transaction.

    Idempotent: the same records give the same rows, in whatever order, groups and number they arrive.

    Raises:
        StorageUnavailable: nothing was stored; the same deliveries may be tried again.
    """
    tally = Tally()
    decoded = [(delivery, decode_batch(delivery)) for delivery in deliveries]
    collector_id = store.collector_id
    with store.writing() as conn:
        for delivery, batch in decoded:
            problem = batch if isinstance(batch, ContractError) else store_batch(conn, batch, tally)
            if problem is not None:
                _reject(conn, delivery, problem, tally)
        if tally.rejected:
            rejected.trim(conn)
    return Ingested(tally.stored, tally.duplicates, tally.rejected, tally.receipts(collector_id))


def decode_batch(delivery: Delivery) -> Batch | ContractError:
    """Return the batch in a delivery, or why no database could store it."""
    try:
        sender = None if delivery.topic is None else parse_topic(delivery.topic).device_id
        message = decode_message(delivery.data)
    except ContractError as error:
        return error
    if not isinstance(message, Batch):
        return Malformed(f"a {type(message).__name__.lower()} is not a batch of results")
    if sender not in {None, message.device_id}:
        return Malformed(f"batch of {message.device_id!r} came from {sender!r}")
    problems = (_problem(record, message.device_id) for record in message.records)
    return next((problem for problem in problems if problem is not None), message)


def _problem(record: Record, device_id: str) -> ContractError | None:
    """Return what is wrong with a record of the right types that would break every report, or None."""
    if isinstance(record, RunStarted) != (record.seq == 0):
        kind = type(record).__name__
        return Malformed(f"record {record.seq} is a {kind}; record 0, and no other, must be a RunStarted")
    if isinstance(record, Answer) and record.tokenize_ns + record.infer_ns + record.decode_ns > MAX_INT:
        return Malformed(f"the time of record {record.seq} does not fit into an integer of SQLite")
    if not isinstance(record, RunStarted):
        return None
    if record.device.device_id != device_id:
        return Malformed(f"batch of {device_id!r} starts a run of {record.device.device_id!r}")
    try:
        decode_manifest(encode(record.bundle))
    except ContractError as error:
        return error
    return None


def store_batch(conn: sqlite3.Connection, batch: Batch, tally: Tally) -> ContractError | None:
    """Store a batch completely or not at all; returns why it was refused.

    A batch that the database refuses must not block the others.
    """
    conn.execute("SAVEPOINT batch")
    try:
        problem = _store_new_records(conn, batch, tally)
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, ValueError) as error:
        conn.execute("ROLLBACK TO batch")
        problem = Malformed(f"batch of run {batch.run_id} cannot be stored: {error}")
    conn.execute("RELEASE batch")
    return problem


def _store_new_records(conn: sqlite3.Connection, batch: Batch, tally: Tally) -> ContractError | None:
    stream, owner, stored = known_stream(conn, batch.run_id)
    if owner not in {None, batch.device_id}:
        return Malformed(f"run {batch.run_id} belongs to {owner!r}, not to {batch.device_id!r}")
    fresh = {r.seq: r for r in reversed(batch.records) if not holds(stored, r.seq)}
    if fresh:
        last = max(fresh)
        finish = next((r.seq for r in fresh.values() if isinstance(r, RunFinished)), None)
        if stream is not None:
            (end,) = conn.execute("SELECT max(seq) FROM finishes WHERE stream = ?", (stream,)).fetchone()
            if end is not None and (last > end or finish is not None):
                return Malformed(f"run {batch.run_id} ended with record {end}, and record {last} came after")
        if finish is not None and max(last, stored[-1][1] if stored else 0) > finish:
            return Malformed(f"run {batch.run_id} has records after {finish}, which ends it")
        if (problem := rounds_problem(conn, stream, fresh.values())) is not None:
            return problem
        if (problem := _sparseness_problem(batch.run_id, stored, fresh)) is not None:
            return problem
        if stream is None:
            stream = add_stream(conn, batch.run_id, batch.device_id, utc_now())
        rows.insert(conn, stream, fresh.values())
        stored = store_ranges(conn, stream, stored, fresh)
    tally.stored += len(fresh)
    tally.duplicates += len(batch.records) - len(fresh)
    tally.ranges[batch.device_id, batch.run_id] = stored
    return None


def _sparseness_problem(
    run_id: str, stored: tuple[SeqRange, ...], fresh: Collection[int]
) -> Malformed | None:
    """Return why records with these `seq`s cannot be added, if they leave too many gaps, or None."""
    if len(stored) + len(fresh) <= MAX_RANGES:
        return None
    place, between = _changed(stored, fresh)
    growth = len(between) - len(stored[place])
    if growth <= 0 or len(stored) + growth <= MAX_RANGES:
        return None
    return Malformed(
        f"run {run_id} would have more than {MAX_RANGES:,} gaps: send the missing records first, and then "
        "these again (agent flush --refused)"
    )


def known_stream(
    conn: sqlite3.Connection, run_id: str
) -> tuple[int | None, str | None, tuple[SeqRange, ...]]:
    """Return a run's stream, device and stored ranges; for a new run None, None and no ranges."""
    row = conn.execute("SELECT stream, device_id FROM streams WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        return None, None, ()
    stream, owner = row
    found = conn.execute("SELECT first_seq, last_seq FROM ranges WHERE stream = ? ORDER BY 1", (stream,))
    return stream, owner, tuple(found)


def add_stream(conn: sqlite3.Connection, run_id: str, device_id: str, first_received_at: str) -> int:
    """Add a new run, within the caller's transaction; returns its stream."""
    stream = conn.execute(
        "INSERT INTO streams (run_id, device_id, first_received_at) VALUES (?, ?, ?)",
        (run_id, device_id, first_received_at),
    ).lastrowid
    assert stream is not None
    return stream


def store_ranges(
    conn: sqlite3.Connection, stream: int, before: tuple[SeqRange, ...], fresh: Iterable[int]
) -> tuple[SeqRange, ...]:
    """Add stored `seq`s to a run's ranges, within the caller's transaction; returns all ranges."""
    seqs = tuple(fresh)
    if not seqs:
        return before
    place, between = _changed(before, seqs)
    conn.executemany(
        "DELETE FROM ranges WHERE stream = ? AND first_seq = ?", ((stream, r[0]) for r in before[place])
    )
    conn.executemany("INSERT INTO ranges VALUES (?, ?, ?)", ((stream, *r) for r in between))
    return (*before[: place.start], *between, *before[place.stop :])


def _changed(ranges: tuple[SeqRange, ...], seqs: Collection[int]) -> tuple[slice, tuple[SeqRange, ...]]:
    """Return which ranges change when numbers are added, and what they become."""
    place = place_of(ranges, min(seqs), max(seqs))
    return place, merged(ranges[place], ((seq, seq) for seq in seqs))


def _reject(conn: sqlite3.Connection, delivery: Delivery, problem: ContractError, tally: Tally) -> None:
    reason = rejected.record(conn, delivery, problem)
    tally.rejected += 1
    claimed = claim(delivery)
    if isinstance(problem, TooNew) or claimed is not None:
        _keep(conn, delivery, tally)
    if claimed is None:
        return
    refusal = Refusal(first_seq=claimed.first_seq, last_seq=claimed.last_seq, reason=reason)
    tally.refused.setdefault((claimed.device_id, claimed.run_id), []).append(refusal)
    _, owner, stored = known_stream(conn, claimed.run_id)
    if owner == claimed.device_id:
        tally.ranges[claimed.device_id, claimed.run_id] = stored


def _keep(conn: sqlite3.Connection, delivery: Delivery, tally: Tally) -> None:
    """Keep a message for a retry after an update, within a size limit, so that nobody can fill the disk."""
    if tally.kept_bytes is None:
        tally.kept_bytes = rejected.kept_bytes(conn)
    size = len(delivery.data) + rejected.ROW_BYTES
    if tally.kept_bytes + size <= rejected.KEPT_BYTES and rejected.keep(conn, delivery):
        tally.kept_bytes += size
