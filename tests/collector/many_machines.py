"""The comparison of one machine, on many of different speed, with all that a report shows of each."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from collector.findings.comparison import Comparison

_OF_MACHINES: Final = (
    "baselines",
    "rows",
    "labels",
    "distributions",
    "traces",
    "relatives",
    "differences",
    "gates",
    "divergences",
    "units",
    "provenance",
)
"""The fields of a comparison that hold something for each machine."""


def on_many(one: Comparison, count: int) -> Comparison:
    """Repeat what a comparison says of its only machine for others, which are up to five times slower."""
    (machine,) = {row.machine for row in one.rows}
    encoded = msgspec.json.encode(one).decode()
    quoted = msgspec.json.encode(machine).decode()
    copies = []
    for number in range(count):
        name = msgspec.json.encode(f"Raspberry Pi Compute Module {number + 1}, 4 cores").decode()
        copy = msgspec.json.decode(encoded.replace(quoted, name), type=Comparison)
        slower = 1 + 4 * (7 * number % count) / count
        rows = tuple(
            msgspec.structs.replace(row, p50_ms=row.p50_ms * slower, f1_per_ms=row.f1_per_ms / slower)
            if row.p50_ms is not None and row.f1_per_ms is not None
            else row
            for row in copy.rows
        )
        copies.append(msgspec.structs.replace(copy, rows=rows))
    fields: dict[str, Any] = {
        field: tuple(item for copy in copies for item in getattr(copy, field)) for field in _OF_MACHINES
    }
    if one.requirement is not None:
        fields["requirement"] = msgspec.structs.replace(one.requirement, choices=_choices(copies))
    return msgspec.structs.replace(one, **fields)


def _choices(copies: Sequence[Comparison]) -> tuple[Any, ...]:
    return tuple(
        choice for copy in copies if copy.requirement is not None for choice in copy.requirement.choices
    )
