"""Packs records that wait into messages. The same bytes go to the broker and to a file."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from agent.outbox.outbox import Row
from contract.codec import encode
from contract.messages import MAX_MESSAGE_BYTES, Batch

MAX_RECORDS: Final = 200
"""In one message: a lost one costs little, and a page of people's MQTT tools still shows it."""


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, tag="batch", tag_field="type"):
    """A `Batch` around records that are encoded already, in whichever format version they were written."""

    device_id: str
    format_version: int
    run_id: str
    records: list[msgspec.Raw]


assert _Envelope.__struct_config__.tag == Batch.__struct_config__.tag


class Packed(NamedTuple):
    """One message."""

    payload: bytes
    rows: tuple[Row, ...]
    """Of one run, in order."""


def pack(rows: Sequence[Row], max_bytes: int = MAX_MESSAGE_BYTES) -> Packed:
    """Pack as many of the first rows as belong to one run and fit.

    Args:
        rows: in order of position, at least one.
        max_bytes: of the message; a first row that alone exceeds it is packed nevertheless.
    """
    first = rows[0]
    count = 0
    size = len(_message(first, []))
    for row in rows[:MAX_RECORDS]:
        size += len(row.body) + 1
        if row.run_id != first.run_id or (count and size > max_bytes):
            break
        count += 1
    taken = tuple(rows[:count])
    return Packed(_message(first, [msgspec.Raw(row.body) for row in taken]), taken)


def _message(row: Row, records: list[msgspec.Raw]) -> bytes:
    return encode(
        _Envelope(
            device_id=row.device_id, format_version=row.format_version, run_id=row.run_id, records=records
        )
    )
