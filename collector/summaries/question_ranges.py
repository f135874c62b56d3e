"""Ranges of questions, by which the answers of many devices are cut into pieces of a limited size."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from collector.summaries.columns import A

HASHES: Final = 2**64
"""How many hashes of a question there can be. They are spread evenly, whatever the questions are."""
PIECE_ANSWERS: Final = 2_000_000
"""About how many answers a piece has at most; each takes 130 bytes while they are joined. The answers to one
question are never cut, so a piece has more if a question has more."""


class QuestionRange(NamedTuple):
    """The questions whose hashes are in a range."""

    first: int
    last: int
    """This one included."""

    @property
    def are_all(self) -> bool:
        """Whether every question is in the range."""
        return self.first == 0 and self.last == HASHES - 1

    def of(self, answers: A) -> A:
        """Choose the answers to these questions; the first of the arrays has the questions, in order."""
        ends = np.array([self.first, self.last], np.uint64)
        start = int(np.searchsorted(answers[0], ends[0], side="left"))
        stop = int(np.searchsorted(answers[0], ends[1], side="right"))
        make = type(answers)._make  # type: ignore[attr-defined]  # a named tuple
        chosen: A = make(array[start:stop].copy() for array in answers)  # the whole array is not kept
        return chosen

    def parts(self, firsts: Sequence[int]) -> tuple[int, int]:
        """Return the first and the last part of columns in which there may be answers to these questions.

        Args:
            firsts: the first question of each part. The answers to it may begin in the part before.
        """
        return max(bisect_left(firsts, self.first) - 1, 0), bisect_right(firsts, self.last) - 1


def ranges(answers: int) -> Iterator[QuestionRange]:
    """Divide all questions into ranges, in ascending order, of about equally many answers.

    Args:
        answers: how many there are.
    """
    count = max(1, -(-answers // PIECE_ANSWERS))
    borders = [HASHES * number // count for number in range(count + 1)]
    for first, after in pairwise(borders):
        yield QuestionRange(first, after - 1)
