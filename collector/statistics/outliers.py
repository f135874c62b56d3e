"""Times that are too long for their number of tokens."""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

SLOWER: Final = 1.5
"""An outlier is a time above this factor on the typical time of the same number of tokens."""
_FEWEST_OUTLIERS: Final = 3
_MANY_OUTLIERS: Final = 0.01
_ANSWERS_A_LENGTH: Final = 30
_LENGTHS: Final = 100

Floats = NDArray[np.float64]


def outliers(times: ArrayLike, tokens: ArrayLike) -> int:
    """Count the times that are too long for their number of tokens, for example because another program ran.

    A long context is slow by nature, so each time is compared with the typical time of the same number of
    tokens. The typical time comes from the median time per token of answers of similar length, interpolated
    linearly between the middles of up to `_LENGTHS` groups of equal size. A time is an outlier if its ratio
    to the typical time is above `SLOWER`, and the logarithm of this ratio is above 3.5 scaled median absolute
    deviations (Iglewicz and Hoaglin, 1993). Logarithms are used because times are skewed. The deviation
    counts only times below their typical time: disturbances make answers slower, never faster, so it stays
    small even if many answers are disturbed.

    Args:
        times: times above 0.
        tokens: how many tokens were read for each of these times, over all windows.
    """
    logs = np.log(np.maximum(np.asarray(times, np.float64), 1))
    lengths = np.log(np.maximum(np.asarray(tokens, np.float64), 1))
    if not len(logs):
        return 0
    ratios = logs - lengths - _typical(logs - lengths, lengths)
    below = ratios[ratios <= 0]
    spread = 1.4826 * float(np.median(-below)) if len(below) else 0.0
    return int(np.count_nonzero(ratios > max(math.log(SLOWER), 3.5 * spread)))


def too_many_outliers(count: int, answers: int) -> bool:
    """Whether there are more outliers than chance makes on an idle machine: at least 3, and above 1 %."""
    return count >= _FEWEST_OUTLIERS and count > _MANY_OUTLIERS * answers


def _typical(values: Floats, places: Floats) -> Floats:
    """Estimate the median of the values around each place."""
    order = np.argsort(places, kind="stable")
    groups = np.array_split(order, min(max(len(order) // _ANSWERS_A_LENGTH, 1), _LENGTHS))
    middles = np.array([np.median(places[group]) for group in groups])
    medians = np.array([np.median(values[group]) for group in groups])
    distinct, which = np.unique(middles, return_inverse=True)
    joined: Floats = np.interp(places, distinct, np.bincount(which, medians) / np.bincount(which))
    return joined
