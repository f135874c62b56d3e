"""Stores the records of messages, rejects messages that cannot be stored, and makes the receipts.

It does not depend on MQTT: a delivery may come from a broker or from a file. Deliveries that arrive together
are stored in one transaction, and the receipts are true once it is committed.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collector.intake import record_rows as rows
from collector.intake import rejected
from collector.intake.incoming import Delivery, claim
from collector.intake.round_order import rounds_problem
from collector.intake.seq_ranges import holds, merged
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
                        refused=tuple(self.refused.get((device_id, run_id), ())),
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
        if stream is None:
            stream = add_stream(conn, batch.run_id, batch.device_id, utc_now())
        rows.insert(conn, stream, fresh.values())
        stored = store_ranges(conn, stream, stored, fresh)
    tally.stored += len(fresh)
    tally.duplicates += len(batch.records) - len(fresh)
    tally.ranges[batch.device_id, batch.run_id] = stored
    return None


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
    after = merged(before, ((seq, seq) for seq in fresh))
    gone, new = set(before) - set(after), set(after) - set(before)
    conn.executemany("DELETE FROM ranges WHERE stream = ? AND first_seq = ?", ((stream, r[0]) for r in gone))
    conn.executemany("INSERT INTO ranges VALUES (?, ?, ?)", ((stream, *r) for r in new))
    return after


def _reject(conn: sqlite3.Connection, delivery: Delivery, problem: ContractError, tally: Tally) -> None:
    rejected.record(conn, delivery, problem)
    tally.rejected += 1
    claimed = claim(delivery)
    if isinstance(problem, TooNew) or claimed is not None:
        _keep(conn, delivery, tally)
    if claimed is None:
        return
    refusal = Refusal(first_seq=claimed.first_seq, last_seq=claimed.last_seq, reason=str(problem))
    tally.refused.setdefault((claimed.device_id, claimed.run_id), []).append(refusal)
    _, owner, stored = known_stream(conn, claimed.run_id)
    if owner == claimed.device_id:
        tally.ranges[claimed.device_id, claimed.run_id] = stored


def _keep(conn: sqlite3.Connection, delivery: Delivery, tally: Tally) -> None:
    """Keep a message for a retry after an update, within a size limit, so that nobody can fill the disk."""
    if tally.kept_bytes is None:
        tally.kept_bytes = rejected.kept_bytes(conn)
    if tally.kept_bytes + len(delivery.data) <= rejected.KEPT_BYTES and rejected.keep(conn, delivery):
        tally.kept_bytes += len(delivery.data)
