"""The binomial distribution, for counts of up to millions."""

import math

import numpy as np
from numpy.typing import NDArray

from collector.statistics.confidence import SIGNIFICANCE
from commandline.distributions.student_t import beta_probability


def binomial_cumulative(count: int, probability: float) -> tuple[int, NDArray[np.float64]]:
    """Compute P(X <= k) for each k from the returned start on; the probability outside is negligible."""
    reach = 12 * math.sqrt(count * probability * (1 - probability)) + 12
    first = max(0, math.floor(count * probability - reach))
    last = min(count, math.ceil(count * probability + reach))
    k = np.arange(first, last)
    steps = np.log((count - k) / (k + 1)) + math.log(probability / (1 - probability))
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    mass = np.exp(logs - logs.max())
    cumulative: NDArray[np.float64] = np.cumsum(mass / mass.sum())
    return first, cumulative


def highest_share(found: int, count: int) -> float:
    """Compute the highest share that something may have if so many were found: Clopper and Pearson's bound.

    With a higher share, 95 % of draws would find more. If none is found, it is about 3 / `count`.

    Args:
        found: how many of the drawn ones have it.
        count: how many were drawn, at least `found`.
    """
    if found == count:
        return 1.0
    low, high = found / count, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        # The probability of at most `found`, as the beta distribution of order statistics.
        at_most = beta_probability(1 - middle, middle, count - found, found + 1)
        low, high = (middle, high) if at_most > SIGNIFICANCE else (low, middle)
    return high
