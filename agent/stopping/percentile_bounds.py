"""An upper bound of a percentile from a limited number of times, by the rule of MLPerf's early stopping.

Among n independent times, the number that exceed the true percentile is binomial. Take the greatest t such
that at most t times exceed it with a probability of at most 1 %. Then the t-th highest time is an upper bound
that holds with 99 % confidence. That is what LoadGen computes for SingleStream (`loadgen/results.cc` and
`early_stopping.cc` of mlcommons/inference, with a tolerance of 0): 64 times suffice for p90, 662 for p99.

Two times of one question are not independent, since a long question is slow each time. So each question
counts once.
"""

from collections.abc import Collection
from functools import cache
from math import exp, log
from typing import Final

from contract.records import PercentileBound

CONFIDENCE: Final = 0.99
PERCENTILES: Final = (90, 99)


def percentile_bound(times_ns: Collection[int], percent: int) -> PercentileBound:
    """The upper bound of a percentile; its value is None if there are too few times.

    Args:
        times_ns: one time of each question.
        percent: the percentile, 90 or 99.
    """
    over = _allowed_over(len(times_ns), percent)
    return PercentileBound(
        percent=percent,
        queries=len(times_ns),
        needed=needed(percent),
        value_ns=sorted(times_ns)[-over] if over else None,
    )


@cache
def needed(percent: int) -> int:
    """The smallest number of questions that bounds a percentile."""
    count = 1
    while not _allowed_over(count, percent):
        count += 1
    return count


def _allowed_over(count: int, percent: int) -> int:
    """The greatest t for which at most t of `count` are above with a probability of at most 1 %, or 0."""
    below, above = percent / 100, 1 - percent / 100
    # In logarithms, since 0.9 to the power of ten thousand is too small for a float.
    term = count * log(below)
    total, over = exp(term), 0
    while over < count:
        term += log(count - over) - log(over + 1) + log(above) - log(below)
        total += exp(term)
        if total > 1 - CONFIDENCE:
            return over
        over += 1
    return over
