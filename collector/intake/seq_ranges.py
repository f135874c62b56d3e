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
    before = bisect_right(ranges, (seq, math.inf))  # how many begin at this number or before it
    return before > 0 and seq <= ranges[before - 1][1]


def below(ranges: tuple[SeqRange, ...], end: int) -> tuple[SeqRange, ...]:
    """Return the parts of ranges whose numbers are less than `end`."""
    return tuple((first, min(last, end - 1)) for first, last in ranges if first < end)


def place_of(ranges: Sequence[SeqRange], first: int, last: int) -> slice:
    """Return which ranges can change when numbers from `first` to `last` are added."""
    start = bisect_right(ranges, (first, math.inf))
    if start > 0 and ranges[start - 1][1] >= first - 1:
        start -= 1  # it holds the first number, or ends beside it
    return slice(start, bisect_right(ranges, (last + 1, math.inf)))
