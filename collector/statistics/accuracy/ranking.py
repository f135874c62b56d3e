"""Which of several may be the best: all that no other one is shown to beat."""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

from collector.statistics.accuracy.scores import MeanDifference
from collector.statistics.confidence import SIGNIFICANCE, is_significant
from collector.statistics.multiple import holm

Pairwise = Callable[[int, int], MeanDifference | None]
"""Compares two of several, by position, with a value above 0 if the first is better. None if they share too
little to be compared."""


class Ranking(NamedTuple):
    """What the tests of all pairs show, adjusted for their number by Holm's method."""

    differences: dict[tuple[int, int], MeanDifference]
    """Of every two, the first one's value less the second one's."""
    beats: frozenset[tuple[int, int]]
    """The pairs of which the first is shown to be better than the second: its adjusted p value is below 0.05,
    and the interval of the difference leaves out 0."""

    def best(self, count: int) -> tuple[int, ...]:
        """Return those that no other one is shown to beat: they cannot be told from the best."""
        beaten = {worse for _, worse in self.beats}
        return tuple(one for one in range(count) if one not in beaten)


def ranking(count: int, pairwise: Pairwise) -> Ranking | None:
    """Compare every two of several.

    Returns:
        The ranking; None if two of them cannot be compared.
    """
    differences: dict[tuple[int, int], MeanDifference] = {}
    beats = set()
    pairs = list(combinations(range(count), 2))
    for left, right in pairs:
        found = pairwise(left, right)
        if found is None:
            return None
        differences[left, right] = found
        differences[right, left] = found.turned
    for (left, right), p_value in zip(
        pairs, holm([differences[pair].p_value for pair in pairs]), strict=True
    ):
        _, low, high, _ = differences[left, right]
        if p_value < SIGNIFICANCE and is_significant((low, high), 0.0):
            beats.add((left, right) if low > 0 else (right, left))
    return Ranking(differences, frozenset(beats))
