"""The ratio of two means, with a bootstrap interval."""

import numpy as np
from numpy.typing import ArrayLike

from collector.statistics.confidence import Mean
from collector.statistics.resampling import enclosing, resampled_counts


def ratio_of_means(values: ArrayLike, reference: ArrayLike) -> Mean:
    """Compute mean(values) / mean(reference) over the same questions, with a paired bootstrap interval.

    Args:
        values: at least one value.
        reference: the reference's values in the same order; their mean is above 0.
    """
    above, above_places = np.unique(np.asarray(values, np.float64), return_inverse=True)
    below, below_places = np.unique(np.asarray(reference, np.float64), return_inverse=True)
    pairs, counts = np.unique(above_places * len(below) + below_places, return_counts=True)
    drawn = resampled_counts(counts)
    over, under = above[pairs // len(below)], below[pairs % len(below)]
    value = float(counts @ over / (counts @ under))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (drawn @ over) / (drawn @ under)
    return Mean(value, *enclosing(ratios[np.isfinite(ratios)], value))
