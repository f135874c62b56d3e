"""Ratios of medians, with bootstrap intervals over questions: what one run shows, and nothing beyond it."""

import numpy as np
from numpy.typing import ArrayLike

from collector.statistics.confidence import Mean
from collector.statistics.resampling import SEED, enclosing, resampled_medians


def ratio_of_medians(values: ArrayLike, reference: ArrayLike) -> Mean:
    """Compute median(values) / median(reference) of two independent samples, with a bootstrap interval.

    Args:
        values: at least one time.
        reference: at least one time above 0.
    """
    above, below = np.asarray(values, np.int64), np.asarray(reference, np.int64)
    value = float(np.median(above) / np.median(below))
    (over,), (under,) = resampled_medians(above, seed=SEED), resampled_medians(below, seed=SEED + 1)
    return Mean(value, *enclosing(over / np.maximum(under, 1), value))
