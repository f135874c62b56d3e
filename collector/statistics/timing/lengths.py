"""Times relative to those that are usual for the number of tokens: a long context is slow by nature."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ANSWERS_A_LENGTH: Final = 30
_LENGTHS: Final = 100


def relative_logs(times: ArrayLike, tokens: ArrayLike) -> NDArray[np.float64]:
    """Compute the logarithm of each time relative to the typical time of the same number of tokens.

    The typical time comes from the median time per token of answers of similar length, interpolated linearly
    between the middles of up to `_LENGTHS` groups of equal size.

    Args:
        times: times above 0.
        tokens: how many tokens were read for each of these times, over all windows.
    """
    logs = np.log(np.maximum(np.asarray(times, np.float64), 1))
    lengths = np.log(np.maximum(np.asarray(tokens, np.float64), 1))
    if not len(logs):
        return logs
    return logs - lengths - _typical(logs - lengths, lengths)


def _typical(values: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the median of the values around each place."""
    order = np.argsort(places, kind="stable")
    groups = np.array_split(order, min(max(len(order) // _ANSWERS_A_LENGTH, 1), _LENGTHS))
    middles = np.array([np.median(places[group]) for group in groups])
    medians = np.array([np.median(values[group]) for group in groups])
    distinct, which = np.unique(middles, return_inverse=True)
    joined: NDArray[np.float64] = np.interp(
        places, distinct, np.bincount(which, medians) / np.bincount(which)
    )
    return joined
