"""Sets of sequence numbers as ranges: disjoint, ascending, not adjacent."""

from collections.abc import Iterable

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


def holds(ranges: tuple[SeqRange, ...], seq: int) -> bool:
    """Return whether a number is in one of the ranges."""
    return any(first <= seq <= last for first, last in ranges)


def below(ranges: tuple[SeqRange, ...], end: int) -> tuple[SeqRange, ...]:
    """Return the parts of ranges whose numbers are less than `end`."""
    return tuple((first, min(last, end - 1)) for first, last in ranges if first < end)
