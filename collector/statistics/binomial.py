"""The binomial distribution, for counts of up to millions."""

import math

import numpy as np
from numpy.typing import NDArray


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
