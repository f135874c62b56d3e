"""What is put into an outbox and taken from it."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from contract.records import Record, RunResumed, RunStarted


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


def add(db: sqlite3.Connection, added: Added, bodies: Sequence[bytes], at: str) -> None:
    """Add records and the place of their run after them, within the caller's transaction.

    Args:
        db: the connection of the outbox.
        added: the records, and the place.
        bodies: the records as JSON, in the same order.
        at: the time now.
    """
    place, records = added
    (expected,) = db.execute("SELECT next_seq FROM runs WHERE run_id = ?", (place.run_id,)).fetchone()
    seqs = [record.seq for record in records]
    assert seqs == list(range(expected, place.next_seq)), "records of a run have no gaps"
    db.executemany(
        "INSERT INTO records (run_id, seq, body, appended_at) VALUES (?, ?, ?, ?)",
        [(place.run_id, seq, body, at) for seq, body in zip(seqs, bodies, strict=True)],
    )
    db.executemany(
        "INSERT INTO processes VALUES (?, ?, ?)",
        [
            (place.run_id, record.seq, record.epoch)
            for record in records
            if isinstance(record, RunStarted | RunResumed) and record.epoch is not None
        ],
    )
    db.execute(
        "UPDATE runs SET next_seq = ?, asked = ?, errors = ?, elapsed_ns = ?, finished = ?, kept = ? "
        "WHERE run_id = ?",
        (*place[1:], place.run_id),
    )
