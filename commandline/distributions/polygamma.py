"""The digamma and trigamma functions: mean and variance of the logarithm of a chi-square variable."""

import math
from typing import Final

_ASYMPTOTIC_FROM: Final = 10.0
"""From here on, the series of Abramowitz and Stegun (6.3.18 and 6.4.12) is exact to ten digits."""


def digamma(x: float) -> float:
    """The derivative of the logarithm of the gamma function.

    The logarithm of a chi-square variable with d degrees of freedom has the mean digamma(d / 2) + log 2.

    Args:
        x: above 0.
    """
    below = 0.0
    while x < _ASYMPTOTIC_FROM:
        below += 1 / x
        x += 1
    square = 1 / (x * x)
    return math.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square / 252)) - below


def trigamma(x: float) -> float:
    """The derivative of digamma.

    The logarithm of a chi-square variable with d degrees of freedom has the variance trigamma(d / 2).

    Args:
        x: above 0.
    """
    below = 0.0
    while x < _ASYMPTOTIC_FROM:
        below += 1 / (x * x)
        x += 1
    square = 1 / (x * x)
    series = 1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30))
    return 1 / x + square / 2 + series * square / x + below


def inverse_trigamma(value: float, most: float) -> float:
    """The argument, at most `most`, for which trigamma is `value`.

    Args:
        value: any number; trigamma falls, so a value below trigamma(most) gives `most`.
        most: above 0.
    """
    if value <= trigamma(most):
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if trigamma(middle) > value else (low, middle)
    return high
