"""The table of the ranges of `seq` that are stored of each run."""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

from contract.errors import Malformed
from contract.messages import MAX_RECEIPT_RANGES, SeqRange
from contract.seq_ranges import place_of, union

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


def store_ranges(
    conn: sqlite3.Connection, stream: int, before: tuple[SeqRange, ...], fresh: Iterable[int]
) -> tuple[SeqRange, ...]:
    """Add stored `seq`s to a run's ranges, within the caller's transaction; returns all ranges."""
    seqs = tuple(fresh)
    if not seqs:
        return before
    place, between = _changed(before, seqs)
    conn.executemany(
        "DELETE FROM ranges WHERE stream = ? AND first_seq = ?", ((stream, r[0]) for r in before[place])
    )
    conn.executemany("INSERT INTO ranges VALUES (?, ?, ?)", ((stream, *r) for r in between))
    return (*before[: place.start], *between, *before[place.stop :])


def _changed(ranges: tuple[SeqRange, ...], seqs: Collection[int]) -> tuple[slice, tuple[SeqRange, ...]]:
    """Return which ranges change when numbers are added, and what they become."""
    place = place_of(ranges, min(seqs), max(seqs))
    return place, union(ranges[place], ((seq, seq) for seq in seqs))
