"""Sentences about runs of which records are missing, or of which two boards sent different ones."""

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Final

from collector.store.database import Store
from commandline.counted import counted
from contract.messages import SeqRange, Stream

_MOST_RUNS: Final = 20
_MOST_GAPS: Final = 3

_WITH_GAPS: Final = """
SELECT stream, run_id, device_id, first_seq, last_seq FROM ranges JOIN streams USING (stream)
WHERE stream IN (SELECT stream FROM ranges GROUP BY stream HAVING count(*) > 1 OR min(first_seq) > 0)
ORDER BY stream, first_seq
"""
_DISPUTED: Final = """
SELECT run_id, device_id, first_seq FROM disputes JOIN streams USING (stream) ORDER BY stream
"""


def losses(store: Store) -> list[str]:
    """Return a sentence for each run that lacks records or is disputed, for a limited number of runs."""
    found = list(islice(_losses(store), _MOST_RUNS + 1))
    if len(found) > _MOST_RUNS:
        found[-1] = "further runs lack records, too: see `collector runs`"
    return found


def _losses(store: Store) -> Iterator[str]:
    for run_id, device_id, first_seq in store.tuples(_DISPUTED):
        yield (
            f"run {run_id[:8]} of {device_id}: from number {first_seq} on, another board sent other records, "
            f"which were refused: two boards have the identity '{device_id}', or its state folder was put "
            "back to an older copy; give each board a state folder of its own"
        )
    rows = store.tuples(_WITH_GAPS)
    for (stream, run_id, device_id), ranges in groupby(rows, key=lambda row: row[:3]):
        gaps = Stream(run_id=run_id, stored=tuple(row[3:] for row in ranges)).gaps
        gone = list(
            store.tuples("SELECT first_seq, last_seq FROM gone WHERE stream = ? ORDER BY first_seq", stream)
        )
        lost = _common(gaps, gone)
        shown = lost or gaps
        named = ", ".join(_named(gap) for gap in shown[:_MOST_GAPS])
        more = ", …" if len(shown) > _MOST_GAPS else ""
        if lost:
            missing = counted(_size(lost), "record is missing", "records are missing")
            why = f"{missing}, and its device no longer has them"
        else:
            why = counted(_size(gaps), "record has not arrived yet", "records have not arrived yet")
        yield f"run {run_id[:8]} of {device_id}: {why}: number {named}{more}"


def _common(ranges: tuple[SeqRange, ...], others: list[SeqRange]) -> tuple[SeqRange, ...]:
    """Return what is in two sets of ranges."""
    common = (
        (max(first, other_first), min(last, other_last))
        for first, last in ranges
        for other_first, other_last in others
    )
    return tuple((first, last) for first, last in common if first <= last)


def _size(ranges: tuple[SeqRange, ...]) -> int:
    return sum(last - first + 1 for first, last in ranges)


def _named(gap: SeqRange) -> str:
    return f"{gap[0]}" if gap[0] == gap[1] else f"{gap[0]} to {gap[1]}"
