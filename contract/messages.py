"""The three messages between agent and collector. JSON, so that people can read along with MQTT tools."""

from typing import Final, Literal

import msgspec

from contract import codec
from contract.errors import Malformed
from contract.fields import Count, DeviceId, Name, RunId, Text, UtcTime
from contract.records import Record
from contract.version import FORMAT_VERSION

MAX_MESSAGE_BYTES: Final = 262_144
"""No sender makes a larger message, and no receiver reads one."""

SeqRange = tuple[Count, Count]
"""First and last `seq`, both included."""


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """What every message has, besides its `type`: batch, receipt or state."""

    device_id: DeviceId
    format_version: int = FORMAT_VERSION


class Batch(_Message, tag="batch", frozen=True, kw_only=True):
    """Records of one run, in order of `seq`. May be sent again, regrouped, any number of times."""

    run_id: RunId
    records: tuple[Record, ...]


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Records that the collector will not store, ever or before an update."""

    first_seq: Count
    last_seq: Count
    reason: Text


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one collector holds of one run, committed."""

    run_id: RunId
    stored: tuple[SeqRange, ...]
    """Disjoint, ascending, not adjacent. The first one that begins at 0 ends at the high-water mark."""
    refused: tuple[Refusal, ...] = ()

    @property
    def through(self) -> int:
        """The contiguous high-water mark: everything up to it is stored; -1 when record 0 is missing."""
        return self.stored[0][1] if self.stored and self.stored[0][0] == 0 else -1

    @property
    def gaps(self) -> tuple[SeqRange, ...]:
        """What is missing below the highest stored record."""
        missing: list[SeqRange] = []
        expected = 0
        for first, last in self.stored:
            if first > expected:
                missing.append((expected, first - 1))
            expected = last + 1
        return tuple(missing)


class Receipt(_Message, tag="receipt", frozen=True, kw_only=True):
    """Said by a collector after its commit: only this lets an agent forget a record."""

    collector_id: Name
    streams: tuple[Stream, ...]


class State(_Message, tag="state", frozen=True, kw_only=True):
    """How an agent is. Retained; the last will is the same with `state` = `lost`."""

    session_id: RunId
    """One a connection: a late will of an old session is told by it."""
    state: Literal["connected", "degraded", "disconnected", "lost"]
    reason: Text = ""
    at: UtcTime | None = None
    """None in a will, which is written before its time comes."""
    agent_version: Name
    pending: Count | None = None
    """Records waiting for a receipt."""
    dropped: Count | None = None
    run_id: RunId | None = None
    """The run under way."""
    answered: Count | None = None
    selected: Count | None = None
    temperature_celsius: float | None = None


Message = Batch | Receipt | State

_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """The JSON of a message. The caller keeps it under `MAX_MESSAGE_BYTES`."""
    return codec.encode(message)


def decode_message(data: bytes) -> Message:
    """Decode a message of this or an earlier format version.

    Raises:
        Malformed: too large, not JSON, an unknown type or field, a value out of bounds.
        TooNew: written by a later distilbench.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed(f"message has {len(data)} bytes, and at most {MAX_MESSAGE_BYTES} are allowed")
    return codec.decode(data, _DECODER, "message")
