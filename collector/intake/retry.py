"""Takes in, after an update, what was kept when it was rejected."""

from typing import NamedTuple

from collector.intake import rejected
from collector.intake.incoming import Delivery
from collector.intake.ingest import Tally, decode_batch, take_in
from collector.store.database import Store
from contract.errors import ContractError


class Retried(NamedTuple):
    """What became of the messages that were kept."""

    taken: int
    """Messages that are stored now, and no longer listed."""
    stored: int
    """Records that are new."""
    left: int
    """Messages that are still rejected."""


def retry(store: Store) -> Retried:
    """Try every message that was kept whole, a transaction each, so that ingest may go on meanwhile.

    Raises:
        StorageUnavailable: the database cannot be written now; what was taken in stays so.
    """
    taken = stored = left = 0
    for sha256 in [sha256 for (sha256,) in store.tuples("SELECT sha256 FROM kept ORDER BY rowid")]:
        for source, topic, body in list(
            store.tuples("SELECT source, topic, body FROM kept WHERE sha256 = ?", sha256)
        ):
            batch = decode_batch(Delivery(source, body, topic))
            if isinstance(batch, ContractError):
                left += 1
                continue
            tally = Tally()
            with store.writing() as conn:
                refused = take_in(conn, batch, tally) is not None
                if not refused:
                    rejected.forget(conn, sha256)
            taken += not refused
            left += refused
            stored += tally.stored
    return Retried(taken, stored, left)
