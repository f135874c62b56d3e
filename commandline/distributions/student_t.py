"""Student's t, Fisher's F and the beta distribution, for any number of degrees of freedom, also fractions.

They are here because all three programs judge few measurements, and none of them installs SciPy.
"""

import math
from functools import cache
from typing import Final

_STEPS: Final = 200
_TINY: Final = 1e-300


@cache
def t_quantile(freedom: float, confidence: float = 0.95) -> float:
    """The t for which the share `confidence` of Student's distribution lies between -t and t.

    Args:
        freedom: degrees of freedom, above 0; not necessarily a whole number; infinite for the normal
            distribution.
        confidence: above 0, below 1.
    """
    low, high = 0.0, 1.0
    while t_p_value(high, freedom) > 1 - confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_p_value(middle, freedom) > 1 - confidence else (low, middle)
    return high


def t_p_value(t: float, freedom: float) -> float:
    """The probability that Student's t is at least as far from 0 as `t`, on either side.

    Args:
        t: any number.
        freedom: degrees of freedom, above 0; infinite for the normal distribution.
    """
    if math.isinf(freedom):
        return math.erfc(abs(t) / math.sqrt(2))
    return beta_probability(freedom / (freedom + t * t), t * t / (freedom + t * t), freedom / 2, 0.5)


def f_probability(ratio: float, above: float, below: float) -> float:
    """The probability that Fisher's F is at most `ratio`.

    Args:
        ratio: the ratio of two variances, 0 or more.
        above: degrees of freedom of the variance above the line.
        below: degrees of freedom of the variance below the line.
    """
    whole = above * ratio + below
    return beta_probability(above * ratio / whole, below / whole, above / 2, below / 2)


def beta_probability(x: float, complement: float, a: float, b: float) -> float:
    """The probability that the beta distribution with parameters `a` and `b` assigns to 0 to `x`.

    It is the regularised incomplete beta function (Press and others, *Numerical Recipes*, 6.4).

    Args:
        x: 0 to 1.
        complement: 1 - `x`, which is exact where `x` is nearly 1.
        a: above 0.
        b: above 0.
    """
    if not x or not complement:
        return float(not complement)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(complement)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1 - front * _continued_fraction(complement, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction of the incomplete beta function by Lentz's method."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + factor * d)
            c = _not_zero(1 + factor / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
