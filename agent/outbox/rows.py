"""What is put into an outbox and taken from it."""

from collections.abc import Sequence
from typing import NamedTuple

from contract.records import Record


class Place(NamedTuple):
    """How far a run is, committed together with its records."""

    run_id: str
    next_seq: int = 0
    asked: int = 0
    errors: int = 0
    elapsed_ns: int = 0
    finished: bool = False
    kept: bytes = b""
    """State that is not in its records yet and is needed to resume the run."""


class Added(NamedTuple):
    """Records that are added to a run; see `Outbox.append`."""

    place: Place
    """Of the run after these records."""
    records: Sequence[Record]


class Row(NamedTuple):
    """A waiting record, encoded as it was when it was written."""

    position: int
    """Ascends in the order of appending, over all runs."""
    device_id: str
    run_id: str
    format_version: int
    seq: int
    body: bytes
