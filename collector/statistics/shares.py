"""Shares of questions: Wilson's interval, and McNemar's test of two shares."""

import math

from collector.findings.between_rows import Interval
from collector.statistics.binomial import binomial_cumulative


def share_interval(hits: float, count: int) -> Interval:
    """Compute Wilson's interval of a share; unlike a bootstrap, it also has a width at 0 and at 1."""
    z = 1.959963984540054
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def mcnemar(only_left: int, only_right: int) -> float:
    """Compute the exact two-sided McNemar test of the questions that only one side gets right.

    It asks whether a fair coin could have split these questions like this.

    Args:
        only_left: questions that only the left side gets right.
        only_right: questions that only the right side gets right.

    Returns:
        The p value, 0 to 1.
    """
    discordant = only_left + only_right
    if only_left == only_right:
        return 1.0
    first, below = binomial_cumulative(discordant, 0.5)
    smaller = min(only_left, only_right)
    return min(1.0, 2 * float(below[smaller - first])) if smaller >= first else 0.0
