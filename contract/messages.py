"""The three messages between agent and collector. They are JSON, which people can read in MQTT tools."""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from contract import codec
from contract.errors import Malformed
from contract.fields import Count, DeviceId, Name, RunId, Text, UtcTime
from contract.records import Record
from contract.version import FORMAT_VERSION, RECEIPT_VERSION

MAX_MESSAGE_BYTES: Final = 262_144
"""Size limit of a message: no sender makes a larger one, and receivers reject a larger one."""

SeqRange = tuple[Count, Count]
"""First and last `seq`, both included."""


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """The fields of every message, in addition to its `type`, which is batch, receipt or state."""

    device_id: DeviceId
    format_version: int = FORMAT_VERSION


class Batch(_Message, tag="batch", frozen=True, kw_only=True):
    """Records of one run, in order of `seq`. They may be sent again, in other groups, any number of times."""

    run_id: RunId
    records: tuple[Record, ...]


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Records that the collector will never store, or not before it is updated."""

    first_seq: Count
    last_seq: Count
    reason: Text


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The records of one run that a collector has committed."""

    run_id: RunId
    stored: tuple[SeqRange, ...]
    """Ranges of stored records: disjoint, ascending, not adjacent. A range that begins at 0 ends at the
    high-water mark."""
    refused: tuple[Refusal, ...] = ()

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


Message = Batch | Receipt | State

_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """Return the JSON of a message. The caller keeps it within `MAX_MESSAGE_BYTES`.

    A receipt is written in the first version that has all of its fields: older agents read it.
    """
    if isinstance(message, Receipt):
        message = replace(message, format_version=RECEIPT_VERSION)
    return codec.encode(message)


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
