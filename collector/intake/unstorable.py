"""Finds texts that not every kind of database can store: those with a NUL character."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from contract.codec import encode
from contract.errors import Malformed
from contract.messages import Batch

_NUL: Final = rb"\u0000"
"""JSON has no other way to write it; a text may contain these characters after a backslash, too."""


def nul_problem(batch: Batch, data: bytes | None = None) -> Malformed | None:
    """Return which record of a batch has a NUL character, as the reason to refuse it, or None.

    Args:
        batch: the batch.
        data: the JSON that it was decoded from; None if there is none.
    """
    if _NUL not in (encode(batch) if data is None else data):
        return None
    for record in batch.records:
        field = _field_with_nul(msgspec.to_builtins(record))
        if field is not None:
            return Malformed(f"record {record.seq} has a NUL character in {field!r}, which cannot be stored")
    return None


def _field_with_nul(value: Any, name: str = "") -> str | None:
    """Return the name of the innermost field with a NUL character, or None."""
    if isinstance(value, str):
        return name if "\0" in value else None
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = ((name, part) for part in value)
    for part_name, part in parts:
        found = _field_with_nul(part, str(part_name)) or _field_with_nul(str(part_name), name or "a name")
        if found is not None:
            return found
    return None
