"""How small a difference between two bundles a command can detect, said before anything is measured.

A difference counts as detectable if it is found with a probability of 80 % at a significance level of 5 %, as
is usual for the minimal detectable effect (for language models: Miller, *Adding error bars to evals*, 2024).
"""

from math import exp, sqrt
from statistics import NormalDist
from typing import Final

from commandline.distributions.student_t import t_quantile

SIGNIFICANCE: Final = 0.05
POWER: Final = 0.8
ASSUMED_SPREAD: Final = 0.02
"""Standard deviation between rounds if none was measured here."""


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
    # Two-sided for the level; `POWER` leaves 1 - POWER on one side, thus twice that on both.
    quantiles = t_quantile(freedom, 1 - SIGNIFICANCE) + t_quantile(freedom, 2 * POWER - 1)
    return exp(quantiles * spread / sqrt(rounds)) - 1


def narrowest_transfer(asked: int, questions: int) -> float:
    """Half the width of the interval of an F1 on all questions that is taken over from another device.

    It is the collector's, if all answers are the same on both devices: that of two imagined differences.

    Args:
        asked: how many questions are asked here, at least 2.
        questions: how many questions the file has, at least as many.
    """
    if asked >= questions:
        return 0.0
    error = sqrt(2 / (asked * (asked + 2))) * sqrt(1 - asked / questions)
    return t_quantile(asked - 1) * error + 0.5 / questions


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
