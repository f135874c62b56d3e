"""Which records a full outbox deletes: first those that a collector has, then the oldest ones."""

import sqlite3
from typing import Final, NamedTuple

from agent.outbox.schema import ROW_BYTES

# The first record of a run stays until a collector has all others: without it, they are useless.
_RECEIPTED: Final = """
SELECT position, length(body) FROM records JOIN runs USING (run_id)
WHERE receipted IS NOT NULL AND (seq > 0 OR (finished AND NOT EXISTS (
    SELECT 1 FROM records AS other
    WHERE other.run_id = runs.run_id AND other.refused IS NULL AND other.receipted IS NULL)))
ORDER BY position
"""
# Nor are the others of use without the last one.
_OLDEST: Final = """
SELECT position, length(body) FROM records JOIN runs USING (run_id)
WHERE receipted IS NULL AND seq > 0 AND NOT (finished AND seq = next_seq - 1)
ORDER BY refused IS NULL, position
"""


_PAST: Final = """
FROM runs WHERE finished AND NOT EXISTS (SELECT 1 FROM records WHERE records.run_id = runs.run_id)
"""
MOST_PAST_RUNS: Final = 1_000
"""How many past runs are remembered, the latest ones. A receipt that comes late may name one of them."""


class Deleted(NamedTuple):
    """What was deleted."""

    records: int
    size: int
    """Bytes, as the outbox counts them."""


def delete_receipted(db: sqlite3.Connection, wanted_bytes: int | None = None) -> Deleted:
    """Delete records that a collector has, the oldest first, within the caller's transaction.

    Args:
        db: the connection of the outbox.
        wanted_bytes: how much to free; None to delete all.
    """
    deleted = _delete(db, _RECEIPTED, wanted_bytes)
    if deleted.records:
        delete_past_runs(db)
    return deleted


def delete_oldest(db: sqlite3.Connection, wanted_bytes: int) -> Deleted:
    """Delete and count records that no collector has, refused ones first, within the caller's transaction."""
    deleted = _delete(db, _OLDEST, wanted_bytes)
    db.execute(
        "INSERT INTO dropped VALUES ('the outbox was full', ?) "
        "ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count",
        (deleted.records,),
    )
    return deleted


def delete_past_runs(db: sqlite3.Connection) -> None:
    """Delete finished runs without records, within the caller's transaction, and remember the latest ids."""
    db.execute(f"INSERT OR IGNORE INTO past_runs (run_id) SELECT run_id {_PAST}")  # our own words
    db.execute(f"DELETE {_PAST}")
    db.execute(
        "DELETE FROM past_runs WHERE number <= (SELECT max(number) FROM past_runs) - ?", (MOST_PAST_RUNS,)
    )


def _delete(db: sqlite3.Connection, oldest_first: str, wanted_bytes: int | None) -> Deleted:
    size = 0
    positions: list[tuple[int]] = []
    for position, length in db.execute(oldest_first):
        if wanted_bytes is not None and size >= wanted_bytes:
            break
        positions.append((position,))
        size += length + ROW_BYTES
    db.executemany("DELETE FROM records WHERE position = ?", positions)
    return Deleted(len(positions), size)
