"""Sets of sequence numbers as ranges: disjoint, ascending, not adjacent."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from contract.messages import SeqRange


def merged(ranges: Iterable[SeqRange], more: Iterable[SeqRange]) -> tuple[SeqRange, ...]:
    """Return the union of two collections of ranges, which may overlap and be in any order."""
    union: list[SeqRange] = []
    for first, last in sorted((*ranges, *more)):
        if union and first <= union[-1][1] + 1:
            union[-1] = (union[-1][0], max(union[-1][1], last))
        else:
            union.append((first, last))
    return tuple(union)


def holds(ranges: Sequence[SeqRange], seq: int) -> bool:
    """Return whether a number is in one of the ranges."""
    return _last_before(ranges, seq) >= seq


def place_of(ranges: Sequence[SeqRange], first: int, last: int) -> slice:
    """Return which ranges can change when numbers from `first` to `last` are added."""
    start = _count_from(ranges, first)
    if _last_before(ranges, first) >= first - 1:
        start -= 1
    return slice(start, _count_from(ranges, last + 1))


def _count_from(ranges: Sequence[SeqRange], seq: int) -> int:
    """How many ranges begin at this number or before it."""
    return bisect_right(ranges, (seq, math.inf))


def _last_before(ranges: Sequence[SeqRange], seq: int) -> int:
    """The last number of the latest range that begins at this number or before it; -2 if there is none."""
    count = _count_from(ranges, seq)
    return ranges[count - 1][1] if count else -2
