"""Percentiles by nearest rank, and their intervals."""

import math
from collections.abc import Collection
from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collector.findings.between_rows import Interval
from collector.statistics.binomial import binomial_cumulative
from collector.statistics.confidence import SIGNIFICANCE
from commandline.distributions.student_t import beta_probability

FEWEST: Final = {0.5: 6, 0.9: 64, 0.99: 662}
"""The fewest questions for which a percentile has an interval. The extremes of six enclose the median; p90
and p99 need what MLPerf's early stopping needs for them, as in `agent.stopping`."""


def percentile(values: ArrayLike | Collection[int], fraction: float) -> int:
    """Compute the nearest-rank percentile: the smallest value that at least `fraction` of all do not exceed.

    It is always one of the values; MLPerf's LoadGen reports the same one for a latency.

    Args:
        values: at least one.
        fraction: above 0, at most 1; 0.5 for the median.
    """
    array = np.asarray(values)
    rank = nearest_rank(fraction, len(array)) - 1
    return int(np.partition(array, rank)[rank])


def nearest_rank(fraction: float, count: int) -> int:
    """Compute the rank, from 1, of the smallest of `count` values that `fraction` of them do not exceed.

    The product is that of the fraction as it is written: in floating point, 0.28 * 25 is above 7.

    Args:
        fraction: above 0, at most 1.
        count: how many values there are, at least one.
    """
    return math.ceil(Fraction(str(float(fraction))) * count)


def percentile_interval(values: ArrayLike, fraction: float, distinct: int | None = None) -> Interval | None:
    """Compute a confidence interval of a percentile from order statistics, which assume no distribution.

    The number of values below the true percentile is binomial, so two ranks enclose it with at least
    `CONFIDENCE` (Conover, Practical Nonparametric Statistics, 3.2). Answers to the same question are no new
    draws of a question, so the ranks are those of as many values as there are distinct questions.

    Args:
        values: at least one.
        fraction: above 0, below 1.
        distinct: how many of the values are independent; None for all.

    Returns:
        The interval; None if there are too few values for both ends.
    """
    ordered = np.sort(np.asarray(values))
    count = len(ordered) if distinct is None else distinct
    first, below = binomial_cumulative(count, fraction)
    tail = SIGNIFICANCE / 2
    low = first + int(np.searchsorted(below, tail, side="right"))
    high = first + int(np.searchsorted(below, 1 - tail, side="left")) + 1
    if low < 1 or high > count:
        return None
    repeats = len(ordered) / count
    ends = math.ceil((low - 1) * repeats), math.ceil(high * repeats) - 1
    return float(ordered[ends[0]]), float(ordered[ends[1]])


def widened(interval: Interval, value: float, reach: float) -> Interval:
    """Widen an interval by what varies besides the questions, such as the machine between rounds.

    The two add as independent errors do, on the scale of logarithms.

    Args:
        interval: the interval if only questions varied; both ends are above 0.
        value: the time or the ratio, within the interval.
        reach: half the width of a 95 % interval for the other variation, in logarithms.
    """
    down, up = math.log(value / interval[0]), math.log(interval[1] / value)
    return value * math.exp(-math.hypot(down, reach)), value * math.exp(math.hypot(up, reach))


def smooth_log_percentile(times: ArrayLike, fraction: float) -> float:
    """Estimate the logarithm of a percentile by Harrell and Davis (1982), from all times, weighted by rank.

    It varies less than a single time does, so it is the better one to compare two sides with.

    Args:
        times: times above 0, at least one.
        fraction: above 0, below 1.
    """
    ordered = np.sort(np.asarray(times, np.float64))
    return float(np.log(np.maximum(ordered, 1)) @ _weights(len(ordered), fraction))


@cache
def _weights(count: int, fraction: float) -> NDArray[np.float64]:
    a, b = fraction * (count + 1), (1 - fraction) * (count + 1)
    reach = 12 * math.sqrt(count * fraction * (1 - fraction)) + 12
    first, last = (
        max(0, math.floor(count * fraction - reach)),
        min(count, math.ceil(count * fraction + reach)),
    )
    steps = [beta_probability(i / count, 1 - i / count, a, b) for i in range(first, last + 1)]
    weights = np.zeros(count)
    weights[first:last] = np.diff(steps)
    weights /= weights.sum()
    return weights
