"""Stores rejected messages that were kept, after the collector was updated."""

from typing import NamedTuple

from collector.intake import rejected
from collector.intake.incoming import Delivery
from collector.intake.ingest import decode_batch, store_batch
from collector.intake.tally import Tally
from collector.store.database import Store
from contract.errors import ContractError


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
            tally = Tally()
            with store.writing() as conn:
                refused = store_batch(conn, batch, tally) is not None
                if not refused:
                    rejected.forget(conn, sha256)
            accepted += not refused
            still_rejected += refused
            stored += tally.stored
    return Retried(accepted, stored, still_rejected)
