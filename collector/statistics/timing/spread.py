"""How much times vary between rounds, and what comparisons in the same rounds learn from each other."""

import math
from collections.abc import Sequence
from statistics import fmean, variance
from typing import Final, NamedTuple

from commandline.distributions.polygamma import digamma, inverse_trigamma, trigamma

FEWEST_MODERATED: Final = 4
"""If a row that all comparisons share were the only one to vary, their statistics would be one and the same.
From this number on, it exceeds the adjusted limit for twice its degrees of freedom in at most 5 %."""
_FEWEST_FREEDOM: Final = 1.9
"""That of three rounds that are nearly equal. With two rounds, such a statistic exceeds the limit in 7 %."""


class Spread(NamedTuple):
    """How much the logarithm of a time, or of a ratio of times, varies from round to round."""

    variance: float
    """Variance of one round; its root is about the relative standard deviation."""
    freedom: float
    """Degrees of freedom of `variance`."""


def moderated(spreads: Sequence[Spread]) -> list[Spread]:
    """Let the spreads of comparisons that were made in the same rounds learn from each other.

    The true variances are taken for draws from a scaled inverse chi-square distribution. Its degrees of
    freedom follow from how much more the logarithms of the variances differ than chance explains (Smyth,
    *Linear models and empirical Bayes methods*, 2004, section 6.2). They are many if the spreads agree and
    few if they don't. Each variance becomes the mean of its own and of the mean variance, weighted by their
    degrees of freedom, and has the sum of both.

    Three rules keep false alarms at 5 % even if some rows vary ten times as much as others, or all contain
    one row that varies:

    - A variance never becomes smaller than it was.
    - Others add at most as many degrees of freedom as it had.
    - With fewer than four comparisons or three rounds, and without a variance, nothing changes.

    Args:
        spreads: the spread of each comparison.

    Returns:
        The spread to use for the p value of each comparison, in the same order.
    """
    able = [spread for spread in spreads if _is_able(spread)]
    if len(able) < FEWEST_MODERATED:
        return list(spreads)
    mean, known = fmean(spread.variance for spread in able), _freedom_of_others(able)
    return [_towards(mean, known, spread) if _is_able(spread) else spread for spread in spreads]


def _is_able(spread: Spread) -> bool:
    return spread.variance > 0 and spread.freedom >= _FEWEST_FREEDOM


def _freedom_of_others(spreads: Sequence[Spread]) -> float:
    """Estimate the degrees of freedom of the true variances' distribution, at most those of a spread."""
    halves = [spread.freedom / 2 for spread in spreads]
    logs = [
        math.log(spread.variance) - digamma(half) + math.log(half)
        for spread, half in zip(spreads, halves, strict=True)
    ]
    excess = variance(logs) - fmean(map(trigamma, halves))
    return 2 * inverse_trigamma(excess, max(halves))


def _towards(mean: float, known: float, own: Spread) -> Spread:
    others = min(known, own.freedom)
    share = others / (others + own.freedom)
    return Spread(own.variance + share * max(mean - own.variance, 0.0), own.freedom + others)
