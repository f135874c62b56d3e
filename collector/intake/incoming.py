"""What arrives, before it is decoded: bytes, and where they came from."""

from typing import NamedTuple

import msgspec

from contract.errors import ContractError
from contract.fields import Count, RunId
from contract.messages import MAX_MESSAGE_BYTES
from contract.topics import parse_topic


class Delivery(NamedTuple):
    """Bytes that should be a batch of results."""

    source: str
    """Where they came from, for people: a topic, or file and line."""
    data: bytes
    topic: str | None = None
    """The topic that they arrived on; the broker guarantees its device. None for a file."""


class Claim(NamedTuple):
    """The records that a rejected message contains, by its own account."""

    device_id: str
    """The device in the message's topic."""
    run_id: str
    first_seq: int
    last_seq: int


class _Place(msgspec.Struct):
    seq: Count


class _Batch(msgspec.Struct):
    run_id: RunId
    records: list[_Place]


_BATCH = msgspec.json.Decoder(_Batch)


def claim(delivery: Delivery) -> Claim | None:
    """Return which records a rejected message holds, so that its sender need not repeat it, or None."""
    if delivery.topic is None or len(delivery.data) > MAX_MESSAGE_BYTES:
        return None
    try:
        device_id = parse_topic(delivery.topic).device_id
        batch = _BATCH.decode(delivery.data)
    except (ContractError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    seqs = [place.seq for place in batch.records]
    return Claim(device_id, batch.run_id, min(seqs), max(seqs)) if seqs else None
