"""Percentiles by nearest rank, and their intervals from order statistics."""

import math
from collections.abc import Collection
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from collector.findings.between_rows import Interval
from collector.statistics.binomial import binomial_cumulative
from collector.statistics.confidence import SIGNIFICANCE


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


def percentile_interval(values: ArrayLike, fraction: float) -> Interval | None:
    """Compute a confidence interval of a percentile from order statistics, which assume no distribution.

    The number of values below the true percentile is binomial, so two ranks enclose it with at least
    `CONFIDENCE` (Conover, Practical Nonparametric Statistics, 3.2).

    Returns:
        The interval; None if there are too few values for both ends.
    """
    ordered = np.sort(np.asarray(values))
    count = len(ordered)
    first, below = binomial_cumulative(count, fraction)
    tail = SIGNIFICANCE / 2
    low = first + int(np.searchsorted(below, tail, side="right"))
    high = first + int(np.searchsorted(below, 1 - tail, side="left")) + 1
    if low < 1 or high > count:
        return None
    return float(ordered[low - 1]), float(ordered[high - 1])
