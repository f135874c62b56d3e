"""How small a difference between two bundles a command can detect, said before anything is measured.

A difference counts as detectable if it is found with a probability of 80 % at a significance level of 5 %, as
is usual for the minimal detectable effect (for language models: Miller, *Adding error bars to evals*, 2024).
"""

from math import atan, cos, exp, pi, sin, sqrt
from statistics import NormalDist
from typing import Final

SIGNIFICANCE: Final = 0.05
POWER: Final = 0.8
ASSUMED_SPREAD: Final = 0.02
"""Standard deviation between rounds if none was measured here."""
_PRECISION: Final = 1e-9


def smallest_time_difference(rounds: int, spread: float) -> float | None:
    """The smallest detectable difference in time between two bundles that take turns.

    A paired t test over the rounds compares them: the logarithm of their ratio in each round is one value.

    Args:
        rounds: how many rounds both have.
        spread: standard deviation of these logarithms.

    Returns:
        A share, such as 0.03 for 3 %; None with one round, which has no spread.
    """
    if rounds < 2:
        return None
    freedom = rounds - 1
    quantiles = t_quantile(1 - SIGNIFICANCE / 2, freedom) + t_quantile(POWER, freedom)
    return exp(quantiles * spread / sqrt(rounds)) - 1


def smallest_f1_difference(questions: int) -> float:
    """The smallest detectable difference in F1, 0 to 1, if the bundles disagree as much as is possible.

    No question's F1 differs by more than 1, so the standard deviation of the differences is at most 1; it is
    far smaller for two bundles that answer most questions alike.

    Args:
        questions: how many questions both answer.
    """
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - SIGNIFICANCE / 2) + normal.inv_cdf(POWER)
    return min(1.0, quantiles / sqrt(questions))


def t_quantile(probability: float, freedom: int) -> float:
    """A quantile of Student's t distribution.

    Args:
        probability: from 0.5 to below 1.
        freedom: degrees of freedom, at least 1.
    """
    low, high = 0.0, 1.0
    while _t_distribution(high, freedom) < probability:
        low, high = high, 2 * high
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_distribution(middle, freedom) < probability else (low, middle)
    return high


def _t_distribution(value: float, freedom: int) -> float:
    """The probability of a t below a value, at least 0 (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = atan(value / sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for step in range(2 + odd, freedom + 1, 2):
        total += term
        term *= (step - 1) / step * cos(angle) ** 2
    within = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return (1 + within) / 2
