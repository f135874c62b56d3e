"""Sets of sequence numbers as ranges: disjoint, ascending, not adjacent, with both ends included."""

from contract.messages import SeqRange, SeqRanges


def union(ranges: SeqRanges, more: SeqRanges) -> SeqRanges:
    """What is in either set."""
    both: list[SeqRange] = []
    for first, last in sorted((*ranges, *more)):
        if both and first <= both[-1][1] + 1:
            both[-1] = (both[-1][0], max(both[-1][1], last))
        else:
            both.append((first, last))
    return tuple(both)


def minus(ranges: SeqRanges, less: SeqRanges) -> SeqRanges:
    """What is in the first set, and not in the second."""
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


def below(ranges: SeqRanges, end: int) -> SeqRanges:
    """The numbers of a set that are less than `end`."""
    return tuple((first, min(last, end - 1)) for first, last in ranges if first < end)


def ranges_of(ascending: list[int]) -> SeqRanges:
    """A set of numbers, given in ascending order, as ranges."""
    found: list[SeqRange] = []
    for seq in ascending:
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)
