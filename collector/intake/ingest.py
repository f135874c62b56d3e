"""Stores the records of messages, rejects messages that cannot be stored, and makes the receipts.

It does not depend on MQTT: a delivery may come from a broker or from a file. Deliveries that arrive together
are stored in one transaction, and the receipts are true once it is committed.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collector.intake import record_rows as rows
from collector.intake import rejected
from collector.intake.disputes import Disputed, first_dispute, note_dispute, note_processes
from collector.intake.incoming import Delivery, claim
from collector.intake.inquiry import note_gone, was_pruned
from collector.intake.known_run import KnownRun, known_run
from collector.intake.round_order import rounds_problem
from collector.intake.stored_ranges import sparseness_problem, store_ranges
from collector.intake.tally import Tally
from collector.store.database import Store
from commandline.clock import utc_now
from contract.bundle import decode_manifest
from contract.codec import encode
from contract.errors import ContractError, Malformed, TooNew
from contract.fields import MAX_INT
from contract.messages import (
    Batch,
    Receipt,
    Refusal,
    decode_message,
)
from contract.records import Answer, Record, RunFinished, RunStarted
from contract.seq_ranges import below, holds, union
from contract.topics import parse_topic

_PRUNED: Final = Refusal(
    first_seq=0, last_seq=MAX_INT, reason="the run was removed from the database with `collector prune`"
)


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
                _reject(conn, delivery, problem, tally, batch.epoch if isinstance(batch, Batch) else None)
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
    problems = (record_problem(record, message.device_id) for record in message.records)
    return next((problem for problem in problems if problem is not None), message)


def record_problem(record: Record, device_id: str) -> ContractError | None:
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

    Of a batch that two boards dispute, the records before the dispute are stored. A batch that the database
    refuses must not block the others.
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
    known = known_run(conn, batch.run_id)
    if known.owner not in {None, batch.device_id}:
        return Malformed(f"run {batch.run_id} belongs to {known.owner!r}, not to {batch.device_id!r}")
    if not batch.records:
        note_gone(conn, known, batch)
        if known.stream is None and was_pruned(conn, batch.run_id):
            tally.refuse(batch.device_id, batch.run_id, _PRUNED)
    disputed = first_dispute(conn, known, batch)
    records = batch.records
    if disputed is not None:
        records = tuple(record for record in records if record.seq < disputed)
    fresh = {r.seq: r for r in reversed(records) if not holds(known.stored, r.seq)}
    if fresh:
        if (problem := _order_problem(conn, known, batch.run_id, fresh)) is not None:
            return problem
        if (problem := sparseness_problem(batch.run_id, known.stored, fresh)) is not None:
            return problem
        doubled = (r.seq for r in records if r.seq in fresh and r != fresh[r.seq])
        if len(fresh) < len(records) and (seq := next(doubled, None)) is not None:
            return Malformed(f"batch of run {batch.run_id} has two different records {seq}")
        stream = known.stream
        if stream is None:
            stream = add_stream(conn, batch.run_id, batch.device_id, utc_now())
        rows.insert(conn, stream, fresh.values())
        stored = store_ranges(conn, stream, known.stored, fresh)
        epochs = note_processes(conn, stream, known, batch, max(fresh))
        known = known._replace(stream=stream, stored=stored, epochs=epochs)
    if disputed is not None:
        known = note_dispute(conn, known, disputed, utc_now())
    tally.stored += len(fresh)
    tally.duplicates += len(records) - len(fresh)
    _note_ranges(known, batch, (record.seq for record in records), tally)
    return None if disputed is None else Disputed(batch, disputed)


def _order_problem(
    conn: sqlite3.Connection, known: KnownRun, run_id: str, fresh: dict[int, Record]
) -> Malformed | None:
    """Return why new records cannot belong to a run, judging by its order."""
    last = max(fresh)
    finish = next((r.seq for r in fresh.values() if isinstance(r, RunFinished)), None)
    if known.stream is not None:
        (end,) = conn.execute("SELECT max(seq) FROM finishes WHERE stream = ?", (known.stream,)).fetchone()
        if end is not None and (last > end or finish is not None):
            return Malformed(f"run {run_id} ended with record {end}, and record {last} came after")
    if finish is not None and max(last, known.stored[-1][1] if known.stored else 0) > finish:
        return Malformed(f"run {run_id} has records after {finish}, which ends it")
    return rounds_problem(conn, known.stream, fresh.values())


def _note_ranges(known: KnownRun, batch: Batch, seqs: Iterable[int], tally: Tally) -> None:
    """Note what the receipt for a batch may say of its run.

    A board that names no epochs cannot know whether it wrote the stored records. So once a run is disputed, a
    receipt for such a board names, from the dispute on, only records that the board has just shown.
    """
    key = batch.device_id, batch.run_id
    stored = known.stored
    if known.disputed_from is not None and not batch.epochs:
        shown = (*below(stored, known.disputed_from), *((seq, seq) for seq in seqs))
        stored = union(shown, tally.ranges.get(key, ()))
    tally.ranges[key] = stored
    tally.epochs[key] = known.epochs


def add_stream(conn: sqlite3.Connection, run_id: str, device_id: str, first_received_at: str) -> int:
    """Add a new run, within the caller's transaction; returns its stream."""
    stream = conn.execute(
        "INSERT INTO streams (run_id, device_id, first_received_at) VALUES (?, ?, ?)",
        (run_id, device_id, first_received_at),
    ).lastrowid
    assert stream is not None
    return stream


def _reject(
    conn: sqlite3.Connection, delivery: Delivery, problem: ContractError, tally: Tally, epoch: str | None
) -> None:
    """List a message, and refuse its records for the process that is meant, if the message names it."""
    reason = rejected.record(conn, delivery, problem)
    tally.rejected += 1
    if isinstance(problem, Disputed):
        refusal = Refusal(first_seq=problem.first_seq, last_seq=problem.last_seq, reason=reason, epoch=epoch)
        tally.refuse(problem.batch.device_id, problem.batch.run_id, refusal)
        return
    claimed = claim(delivery)
    if isinstance(problem, TooNew) or claimed is not None:
        _keep(conn, delivery, tally)
    if claimed is None:
        return
    refusal = Refusal(first_seq=claimed.first_seq, last_seq=claimed.last_seq, reason=reason, epoch=epoch)
    tally.refuse(claimed.device_id, claimed.run_id, refusal)
    known = known_run(conn, claimed.run_id)
    if known.owner == claimed.device_id:
        tally.ranges[claimed.device_id, claimed.run_id] = known.stored
        tally.epochs[claimed.device_id, claimed.run_id] = known.epochs


def _keep(conn: sqlite3.Connection, delivery: Delivery, tally: Tally) -> None:
    """Keep a message for a retry after an update, within a size limit, so that nobody can fill the disk."""
    if tally.kept_bytes is None:
        tally.kept_bytes = rejected.kept_bytes(conn)
    size = len(delivery.data) + rejected.ROW_BYTES
    if tally.kept_bytes + size <= rejected.KEPT_BYTES and rejected.keep(conn, delivery):
        tally.kept_bytes += size
