"""Batches on their way into a database, as the subscriber would hand them over."""

from collector.intake.incoming import Delivery
from collector.intake.ingest import Ingested, ingest
from collector.store.database import Store
from contract.messages import Batch, encode_message
from contract.topics import topic


def by_topic(message: Batch) -> Delivery:
    name = topic(message.device_id, "results")
    return Delivery(name, encode_message(message), name)


def take(store: Store, *messages: Batch) -> Ingested:
    """Ingest batches in one transaction."""
    return ingest(store, [by_topic(message) for message in messages])
