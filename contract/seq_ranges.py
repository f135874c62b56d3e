"""Sets of sequence numbers as ranges: disjoint, ascending, not adjacent, with both ends included."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from contract.messages import SeqRange


def union(ranges: Iterable[SeqRange], more: Iterable[SeqRange]) -> tuple[SeqRange, ...]:
    """Return what is in either of two collections of ranges, which may overlap and be in any order."""
    both: list[SeqRange] = []
    for first, last in sorted((*ranges, *more)):
        if both and first <= both[-1][1] + 1:
            both[-1] = (both[-1][0], max(both[-1][1], last))
        else:
            both.append((first, last))
    return tuple(both)


def minus(ranges: Iterable[SeqRange], less: Iterable[SeqRange]) -> tuple[SeqRange, ...]:
    """Return what is in the first set, and not in the second."""
    left: list[SeqRange] = []
    cuts = iter(less)
    cut = next(cuts, None)
    for first, last in ranges:
        while cut is not None and cut[0] <= last:
            if first < cut[0]:
                left.append((first, cut[0] - 1))
            first = max(first, cut[1] + 1)
            if cut[1] > last:
                break
            cut = next(cuts, None)
        if first <= last:
            left.append((first, last))
    return tuple(left)


def below(ranges: Iterable[SeqRange], end: int) -> tuple[SeqRange, ...]:
    """Return the numbers of a set that are less than `end`."""
    return tuple((first, min(last, end - 1)) for first, last in ranges if first < end)


def ranges_of(ascending: Iterable[int]) -> tuple[SeqRange, ...]:
    """Return numbers, given in ascending order, as ranges."""
    found: list[SeqRange] = []
    for seq in ascending:
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)


def holds(ranges: Sequence[SeqRange], seq: int) -> bool:
    """Return whether a number is in one of the ranges."""
    before = bisect_right(ranges, (seq, math.inf))  # how many begin at this number or before it
    return before > 0 and seq <= ranges[before - 1][1]


def place_of(ranges: Sequence[SeqRange], first: int, last: int) -> slice:
    """Return which ranges can change when numbers from `first` to `last` are added."""
    start = bisect_right(ranges, (first, math.inf))
    if start > 0 and ranges[start - 1][1] >= first - 1:
        start -= 1  # it holds the first number, or ends beside it
    return slice(start, bisect_right(ranges, (last + 1, math.inf)))
