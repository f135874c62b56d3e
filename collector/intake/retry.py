"""Stores rejected messages that were kept, after the collector was updated."""

from functools import partial
from typing import NamedTuple

from collector.intake import rejected
from collector.intake.group import store_batches
from collector.intake.incoming import Delivery
from collector.intake.ingest import decode_batch
from collector.intake.rules.admission import Admission
from collector.store.database import Store
from collector.store.transaction import Transaction
from commandline.clock import utc_now
from contract.errors import ContractError
from contract.messages import Batch


class Retried(NamedTuple):
    """The result of a retry."""

    accepted: int
    """How many messages are stored now, and no longer listed."""
    stored: int
    """How many records are new."""
    still_rejected: int
    """How many messages are still rejected."""


def retry(store: Store) -> Retried:
    """Try to store every message that was kept whole, one transaction each, so that ingest may run meanwhile.

    Raises:
        StorageUnavailable: the database cannot be written now; messages that were stored stay stored.
    """
    accepted = stored = still_rejected = 0
    for sha256 in [sha256 for (sha256,) in store.tuples("SELECT sha256 FROM kept ORDER BY rowid")]:
        for source, topic, body in list(
            store.tuples("SELECT source, topic, body FROM kept WHERE sha256 = ?", sha256)
        ):
            batch = decode_batch(Delivery(source, body, topic))
            if isinstance(batch, ContractError):
                still_rejected += 1
                continue
            admission = store.written(partial(_store, batch=batch, sha256=sha256))
            accepted += admission.problem is None
            still_rejected += admission.problem is not None
            stored += len(admission.fresh)
    return Retried(accepted, stored, still_rejected)


def _store(conn: Transaction, batch: Batch, sha256: str) -> Admission:
    """Store one batch, and delete it from the list if it was not refused, within the caller's transaction."""
    conn.lock_runs([batch.run_id])
    (admission,) = store_batches(conn, [batch], utc_now())
    if admission.problem is None:
        rejected.forget(conn, sha256)
    return admission
