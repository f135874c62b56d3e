"""Stores the records of messages, rejects messages that cannot be stored, and makes the receipts.

It does not depend on MQTT: a delivery may come from a broker or from a file. Deliveries that arrive together
are stored in one transaction, and the receipts are true once it is committed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from collector.intake import rejected
from collector.intake.group import store_batches
from collector.intake.incoming import Claim, Delivery, claim
from collector.intake.known_run import KnownRun, known_runs
from collector.intake.rules.disputes import Disputed
from collector.intake.tally import Tally
from collector.intake.unstorable import nul_problem
from collector.store.database import Store
from collector.store.transaction import Transaction
from commandline.clock import utc_now
from contract.bundle import decode_manifest
from contract.codec import encode
from contract.errors import ContractError, Malformed, TooNew
from contract.fields import MAX_INT
from contract.messages import Batch, Receipt, Refusal, decode_message
from contract.records import Answer, Record, RunStarted
from contract.topics import parse_topic


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
    decoded = [(delivery, decode_batch(delivery)) for delivery in deliveries]
    tally = store.written(lambda conn: _store(conn, decoded))
    return Ingested(tally.stored, tally.duplicates, tally.rejected, tally.receipts(store.collector_id))


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
    problem = next(filter(None, problems), None) or nul_problem(message, delivery.data)
    return message if problem is None else problem


def record_problem(record: Record, device_id: str) -> ContractError | None:
    """Return what is wrong with a record of the right types that would break every report, or None."""
    if isinstance(record, RunStarted) != (record.seq == 0):
        kind = type(record).__name__
        return Malformed(f"record {record.seq} is a {kind}; record 0, and no other, must be a RunStarted")
    if isinstance(record, Answer) and record.tokenize_ns + record.infer_ns + record.decode_ns > MAX_INT:
        return Malformed(f"the time of record {record.seq} does not fit into 64 bits")
    if not isinstance(record, RunStarted):
        return None
    if record.device.device_id != device_id:
        return Malformed(f"batch of {device_id!r} starts a run of {record.device.device_id!r}")
    try:
        decode_manifest(encode(record.bundle))
    except ContractError as error:
        return error
    return None


def _store(conn: Transaction, decoded: Sequence[tuple[Delivery, Batch | ContractError]]) -> Tally:
    """Store what was decoded, and list what is rejected, within the caller's transaction."""
    tally = Tally()
    batches = [batch for _, batch in decoded if isinstance(batch, Batch)]
    conn.lock_runs({batch.run_id for batch in batches})
    claims = [None if isinstance(batch, Batch) else claim(delivery) for delivery, batch in decoded]
    claimed_runs = {claimed.run_id for claimed in claims if claimed is not None}
    known = known_runs(conn, claimed_runs) if claimed_runs else {}
    admissions = iter(store_batches(conn, batches, utc_now()))
    listed: list[tuple[Delivery, ContractError]] = []
    kept: list[Delivery] = []
    for (delivery, batch), claimed in zip(decoded, claims, strict=True):
        if isinstance(batch, Batch):
            admission = next(admissions)
            tally.take(batch, admission)
            known[batch.run_id] = admission.known
            if admission.problem is None:
                continue
            problem, epoch, claimed = admission.problem, batch.epoch, claim(delivery)
        else:
            problem, epoch = batch, None
        listed.append((delivery, problem))
        _refuse(tally, problem, claimed, epoch, known)
        # An update may help, unless the message says too little or is another board's.
        if isinstance(problem, TooNew) or not (claimed is None or isinstance(problem, Disputed)):
            kept.append(delivery)
    rejected.record(conn, listed)
    rejected.keep(conn, kept)
    return tally


def _refuse(
    tally: Tally, problem: ContractError, claimed: Claim | None, epoch: str | None, known: dict[str, KnownRun]
) -> None:
    """Refuse the records of a message for the process that is meant, if the message names it."""
    tally.rejected += 1
    reason = rejected.reason_of(problem)
    if isinstance(problem, Disputed):
        refusal = Refusal(first_seq=problem.first_seq, last_seq=problem.last_seq, reason=reason, epoch=epoch)
        tally.refuse(problem.batch.device_id, problem.batch.run_id, refusal)
    elif claimed is not None:
        refusal = Refusal(first_seq=claimed.first_seq, last_seq=claimed.last_seq, reason=reason, epoch=epoch)
        tally.refuse(claimed.device_id, claimed.run_id, refusal)
        run = known.get(claimed.run_id)
        if run is not None and run.owner == claimed.device_id:
            tally.confirm(claimed.device_id, claimed.run_id, run)
