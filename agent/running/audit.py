"""Checks whether repeated questions are answered faster than fresh ones, as from a cache of answers.

MLPerf's audit for caching (TEST04) compares runs. Here each question is asked again after one other, in one
run, so that whatever disturbs the machine disturbs both alike. Each question is compared with itself, so its
length does not matter.
"""

from collections.abc import Sequence
from math import comb
from statistics import median
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

SIGNIFICANT: Final = 0.001
FASTER: Final = 0.9
"""Lowest ratio that is not suspicious: warm processor caches alone can make a repeat a little faster."""


class RepeatAudit(NamedTuple):
    """The result of an audit."""

    questions: int
    """Number of questions that were answered twice."""
    ratio: float
    """Median of a repeat's time divided by the time of the fresh question."""
    faster: int
    """Number of repeats that took less time."""
    p_value: float
    """One-sided sign test: the probability that at least this many repeats are faster by chance."""

    @property
    def passed(self) -> bool:
        """Whether answers do not seem to come from a cache: repeats are not both surely and much faster."""
        return self.p_value >= SIGNIFICANT or self.ratio >= FASTER


def with_repeats(questions: Sequence[T]) -> list[T]:
    """Each question twice, the second time after one other: a b a c b d c d."""
    order: list[T] = []
    for at, question in enumerate(questions):
        order.append(question)
        if at:
            order.append(questions[at - 1])
    return [*order, questions[-1]] if questions else order


def judge(fresh_ns: Sequence[int], repeat_ns: Sequence[int]) -> RepeatAudit:
    """Compare the times of questions with those of their repeats, in the same order; at least one."""
    pairs = list(zip(fresh_ns, repeat_ns, strict=True))
    faster = sum(repeat < fresh for fresh, repeat in pairs)
    untied = sum(repeat != fresh for fresh, repeat in pairs)
    at_least = sum(comb(untied, count) for count in range(faster, untied + 1))
    ratio = median(repeat / max(fresh, 1) for fresh, repeat in pairs)
    return RepeatAudit(len(pairs), ratio, faster, at_least / 2**untied)
