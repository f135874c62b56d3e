"""The sign-flip test: could chance alone have decided who of two wins where?"""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collector.statistics.binomial import binomial_cumulative
from collector.statistics.resampling import SEED

_ALL_FLIPS: Final = 14
"""Up to this many units, all flips of signs are tried."""
_FLIPS: Final = 9_999
"""How many flips are drawn for more units."""
_MANY: Final = 200
"""If the units are worth more equal ones than this, the normal distribution takes the place of flips."""
_AT_ONCE: Final = 100
_ROUNDING: Final = 1e-9


def sign_flip(differences: ArrayLike) -> float:
    """Compute the two-sided p value of paired differences: if nothing differs, each could have either sign.

    It is exact for up to 14 differences other than 0, and where all have one size; then it is the sign test,
    and for Exact Match by question McNemar's exact test. For more of them it comes from 9,999 seeded flips,
    each of them counted as if the data were one more (Phipson and Smyth, 2010). If they are worth more than
    200 differences of one size, it comes from the normal distribution, which flips then have.

    Args:
        differences: one per independent unit.

    Returns:
        The p value, above 0; 1 if nothing differs.
    """
    values = np.asarray(differences, np.float64)
    values = values[values != 0]
    sizes = np.abs(values)
    if not len(values):
        return 1.0
    if np.ptp(sizes) <= _ROUNDING * sizes[0]:
        return _sign_test(int(np.count_nonzero(values > 0)), len(values))
    squares = float((sizes**2).sum())
    if squares**2 > _MANY * float((sizes**4).sum()):
        return max(math.erfc(abs(float(values.sum())) / math.sqrt(2 * squares)), math.ulp(0.0))
    least = abs(values.sum()) - _ROUNDING * sizes.sum()
    if len(values) <= _ALL_FLIPS:
        # The first sign stays: the other half of all flips are the same with all signs turned.
        flips = (np.arange(2 ** (len(values) - 1))[:, None] >> np.arange(len(values) - 1)) & 1
        sums = sizes[0] + (1.0 - 2 * flips) @ sizes[1:]
        return float(np.count_nonzero(np.abs(sums) >= least) / len(sums))
    return float((1 + np.count_nonzero(np.abs(_drawn(sizes)) >= least)) / (1 + _FLIPS))


def _sign_test(positive: int, count: int) -> float:
    smaller = min(positive, count - positive)
    if 2 * smaller == count:
        return 1.0
    first, below = binomial_cumulative(count, 0.5)
    return min(1.0, 2 * float(below[smaller - first])) if smaller >= first else math.ulp(0.0)


def _drawn(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw the sums of sizes with random signs, in shape (_FLIPS,)."""
    rng = np.random.default_rng(SEED)
    sums = np.zeros(_FLIPS)
    for start in range(0, len(sizes), _AT_ONCE):
        some = sizes[start : start + _AT_ONCE]
        sums += (1.0 - 2 * rng.integers(2, size=(_FLIPS, len(some)), dtype=np.int8)) @ some
    return sums
