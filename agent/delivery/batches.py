"""Packs waiting records into messages. A broker and a file get the same bytes."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from agent.outbox.receipted import KeptRun
from agent.outbox.rows import Row
from contract.codec import encode
from contract.messages import MAX_MESSAGE_BYTES, MAX_RECEIPT_RANGES, Batch, Epochs, SeqRanges

MAX_RECORDS: Final = 200
"""Most records in a message: losing one costs little, and people's MQTT tools still show it on a page."""


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, tag="batch", tag_field="type", omit_defaults=True):
    """A `Batch` around records that are already encoded, in the format version of their time."""

    device_id: str
    format_version: int
    run_id: str
    records: list[msgspec.Raw]
    epochs: Epochs = ()
    gone: SeqRanges = ()
    """Both are omitted if they are empty, as in version 1."""


assert _Envelope.__struct_config__.tag == Batch.__struct_config__.tag


class Packed(NamedTuple):
    """One message and the records in it."""

    payload: bytes
    rows: tuple[Row, ...]
    """The records, which are of one run and in order. An inquiry has none."""


def pack(rows: Sequence[Row], epochs: Epochs = (), max_bytes: int = MAX_MESSAGE_BYTES) -> Packed:
    """Pack as many of the first rows as belong to one run and fit.

    Args:
        rows: in order of position, at least one.
        epochs: the processes that wrote the run of the first row.
        max_bytes: largest size of the message; a first row that alone exceeds it is packed anyway.
    """
    first = rows[0]
    count = 0
    size = len(_message(first, [], epochs))
    for row in rows[:MAX_RECORDS]:
        size += len(row.body) + 1
        if row.run_id != first.run_id or (count and size > max_bytes):
            break
        count += 1
    taken = tuple(rows[:count])
    return Packed(_message(first, [msgspec.Raw(row.body) for row in taken], epochs), taken)


def inquiry(run: KeptRun, epochs: Epochs, gone: SeqRanges) -> Packed:
    """Pack a message that asks a collector which records of a run it has.

    Args:
        run: the run.
        epochs: the processes that wrote it.
        gone: its records that this device no longer has.
    """
    newer = run.format_version > 1
    return Packed(_message(run, [], epochs, gone[:MAX_RECEIPT_RANGES] if newer else ()), ())


def _message(run: Row | KeptRun, records: list[msgspec.Raw], epochs: Epochs, gone: SeqRanges = ()) -> bytes:
    return encode(
        _Envelope(
            device_id=run.device_id,
            format_version=run.format_version,
            run_id=run.run_id,
            records=records,
            epochs=epochs,
            gone=gone,
        )
    )
