"""The three messages between agent and collector. They are JSON, which people can read in MQTT tools."""

from itertools import zip_longest
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from contract import codec
from contract.errors import Malformed
from contract.fields import Count, DeviceId, Epoch, Name, RunId, Text, UtcTime
from contract.orders.progress import MAX_REPORTED_ORDERS, OrderProgress
from contract.records import Record
from contract.version import FORMAT_VERSION

MAX_MESSAGE_BYTES: Final = 262_144
"""Size limit of a message: no sender makes a larger one, and receivers reject a larger one."""

MAX_RECEIPT_RANGES: Final = 4096
"""The most ranges of a run in a receipt, so that it fits into a message. A receipt with this many may name
fewer records than are stored."""

MAX_EPOCHS: Final = 1024
"""The most processes of a run that a message names: the first ones."""

SeqRange = tuple[Count, Count]
"""First and last `seq`, both included."""
SeqRanges = Annotated[tuple[SeqRange, ...], Meta(max_length=MAX_RECEIPT_RANGES)]
Epochs = Annotated[tuple[tuple[Count, Epoch], ...], Meta(max_length=MAX_EPOCHS)]
"""The processes that wrote a run, in order: the first `seq` of each, and its epoch."""


def parting(one: Epochs, other: Epochs) -> int | None:
    """The first `seq` from which two accounts of a run name different processes.

    Returns:
        None if they agree, or if one of them names no process, as in version 1.
    """
    if not one or not other:
        return None
    for pair in zip_longest(one, other):
        if pair[0] != pair[1]:
            return min(process[0] for process in pair if process is not None)
    return None


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """The fields of every message, in addition to its `type`, which is batch, receipt or state."""

    device_id: DeviceId
    format_version: int = FORMAT_VERSION


class Batch(_Message, tag="batch", frozen=True, kw_only=True):
    """Records of one run, in order of `seq`. They may be sent again, in other groups, any number of times.

    A batch without records is an inquiry: a receipt says which records of the run the collector has.
    """

    run_id: RunId
    records: tuple[Record, ...]
    epochs: Epochs = ()
    """The processes that wrote the run on this device. Two boards with copies of one state folder continue
    the same run, and differ here. Empty in version 1."""
    gone: SeqRanges = ()
    """In an inquiry: the records of the run that this device wrote and no longer has. If the collector lacks
    some of them, they are missing for good."""

    @property
    def epoch(self) -> str | None:
        """The latest process that wrote the run on this device; None in version 1."""
        return self.epochs[-1][1] if self.epochs else None


class _ReceiptPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A part of a receipt. Defaults are omitted: version 1 reads a receipt that needs nothing newer."""


class Refusal(_ReceiptPart, frozen=True, kw_only=True):
    """Records that the collector will never store, or not before it is updated."""

    first_seq: Count
    last_seq: Count
    reason: Text
    epoch: Epoch | None = None
    """The latest process that wrote the run on the device that is meant. A device that knows no such process
    ignores the refusal: another device has the same identity. None in version 1."""


class Stream(_ReceiptPart, frozen=True, kw_only=True):
    """The records of one run that a collector has committed."""

    run_id: RunId
    stored: tuple[SeqRange, ...]
    """Ranges of stored records: disjoint, ascending, not adjacent. A range that begins at 0 ends at the
    high-water mark."""
    refused: tuple[Refusal, ...] = ()
    epochs: Epochs = ()
    """The processes that wrote the stored records. A device confirms only what its own processes wrote. Empty
    in version 1."""

    @property
    def through(self) -> int:
        """The high-water mark: all records up to this `seq` are stored; -1 if record 0 is missing."""
        return self.stored[0][1] if self.stored and self.stored[0][0] == 0 else -1

    @property
    def gaps(self) -> tuple[SeqRange, ...]:
        """The ranges that are missing below the highest stored record."""
        missing: list[SeqRange] = []
        expected = 0
        for first, last in self.stored:
            if first > expected:
                missing.append((expected, first - 1))
            expected = last + 1
        return tuple(missing)


class Receipt(_Message, tag="receipt", frozen=True, kw_only=True):
    """A collector's confirmation after its commit. Only a receipt allows an agent to delete a record."""

    collector_id: Name
    streams: tuple[Stream, ...]


class State(_Message, tag="state", frozen=True, kw_only=True):
    """The state of an agent, retained at the broker. The last will is the same with `state` = `lost`."""

    session_id: RunId
    """A new one for each connection, so that a late will of an old session can be recognised."""
    state: Literal["connected", "degraded", "disconnected", "lost"]
    reason: Text = ""
    at: UtcTime | None = None
    """Time of this state; None in a will, which is written before that time is known."""
    agent_version: Name
    pending: Count | None = None
    """Records waiting for a receipt."""
    dropped: Count | None = None
    run_id: RunId | None = None
    """The run in progress."""
    answered: Count | None = None
    selected: Count | None = None
    temperature_celsius: float | None = None
    orders_revision: Count | None = None
    """The revision of the newest list of orders that the device has accepted; 0 if it has accepted none. None
    from an agent that takes no orders, or that does something else."""
    orders: Annotated[tuple[OrderProgress, ...], Meta(max_length=MAX_REPORTED_ORDERS)] = ()
    """How far the device is with its orders; empty if `orders_revision` is None."""


Message = Batch | Receipt | State

_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """Return the JSON of a message. The caller keeps it within `MAX_MESSAGE_BYTES`.

    A receipt is written in the first version that has all of its fields, so that older agents read it. For
    records of version 1, that is version 1.
    """
    if isinstance(message, Receipt) and not any(map(_is_newer, message.streams)):
        message = replace(message, format_version=1)
    return codec.encode(message)


def _is_newer(stream: Stream) -> bool:
    return bool(stream.epochs) or any(refusal.epoch is not None for refusal in stream.refused)


def decode_message(data: bytes) -> Message:
    """Decode a message of this or an earlier format version.

    Raises:
        Malformed: the data is too large, not JSON, or has an unknown type, an unknown field or a value out
            of bounds.
        TooNew: the message was written by a later distilbench.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed(f"message has {len(data)} bytes, and at most {MAX_MESSAGE_BYTES} are allowed")
    return codec.decode(data, _DECODER, "message")
