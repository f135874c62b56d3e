"""The ranges of `seq` that are stored of each run, and their table."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from collector.store.transaction import Transaction
from contract.errors import Malformed
from contract.messages import MAX_RECEIPT_RANGES, SeqRange
from contract.seq_ranges import place_of, ranges_of, union

MAX_RANGES: Final = MAX_RECEIPT_RANGES
"""The most ranges of a run. Each message of a run reads them: a run with millions would stop all others."""


def sparseness_problem(run_id: str, stored: tuple[SeqRange, ...], fresh: Collection[int]) -> Malformed | None:
    """Return why records with these `seq`s cannot be added, if they leave too many gaps, or None."""
    if len(stored) + len(fresh) <= MAX_RANGES:
        return None
    place, between = _changed(stored, fresh)
    growth = len(between) - len(stored[place])
    if growth <= 0 or len(stored) + growth <= MAX_RANGES:
        return None
    return Malformed(
        f"run {run_id} would have more than {MAX_RANGES:,} gaps: send the missing records first, and then "
        "these again (agent flush --refused)"
    )


def with_seqs(stored: tuple[SeqRange, ...], fresh: Collection[int]) -> tuple[SeqRange, ...]:
    """Return the ranges of a run once `seq`s, at least one, are added to it."""
    place, between = _changed(stored, fresh)
    return (*stored[: place.start], *between, *stored[place.stop :])


def store_ranges(
    conn: Transaction,
    changes: Mapping[int, tuple[tuple[SeqRange, ...], tuple[SeqRange, ...]]],
) -> None:
    """Store the ranges of runs, within the caller's transaction.

    Args:
        conn: the transaction.
        changes: by stream, the ranges that the table has of a run, and those that it shall have.
    """
    deleted: list[tuple[int, int]] = []
    put: list[tuple[int, int, int]] = []
    for stream, (before, after) in changes.items():
        firsts = {first for first, _ in after}
        deleted += ((stream, first) for first, _ in before if first not in firsts)
        known = set(before)
        put += ((stream, *each) for each in after if each not in known)
    if deleted:
        conn.executemany("DELETE FROM ranges WHERE stream = ? AND first_seq = ?", deleted)
    if put:
        conn.executemany(
            "INSERT INTO ranges VALUES (?, ?, ?) "
            "ON CONFLICT (stream, first_seq) DO UPDATE SET last_seq = excluded.last_seq",
            put,
        )


def _changed(ranges: tuple[SeqRange, ...], seqs: Iterable[int]) -> tuple[slice, tuple[SeqRange, ...]]:
    """Return which ranges change when numbers are added, and what they become."""
    ascending = sorted(seqs)
    place = place_of(ranges, ascending[0], ascending[-1])
    return place, union(ranges[place], ranges_of(ascending))
