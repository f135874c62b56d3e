"""The mean of a measurement over its rounds, with Student's t over rounds.

The unit is the round, since the questions of one round meet the same process and the same minutes (Kalibera
and Jones, *Rigorous benchmarking in reasonable time*, 2013).
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from collector.findings.between_rows import Interval
from collector.statistics.timing.spread import Spread
from commandline.distributions.student_t import t_p_value, t_quantile

_FEWEST_ROUNDS: Final = 1.5


class RoundMean(NamedTuple):
    """The mean over the questions of some rounds on one device."""

    log: float
    """Mean logarithm of a time, or of a ratio of times."""
    spread: Spread
    """How much the mean of a round varies; without a degree of freedom if there is one round."""
    rounds: float
    """The effective number of rounds: the variance of `log` is that of the spread divided by it. It is the
    number of rounds if all have equally many questions, and less otherwise (Kish, *Survey Sampling*, 1965).
    """
    within: float
    """Variance of `log` if only questions varied, and not rounds."""


class LogEstimate(NamedTuple):
    """A mean logarithm with its squared standard error."""

    log: float
    variance: float
    freedom: float

    @property
    def reach(self) -> float:
        """Half the width of the 95 % interval, by Student's t."""
        return t_quantile(self.freedom) * math.sqrt(self.variance)

    @property
    def interval(self) -> Interval:
        """The 95 % interval, converted back from logarithms."""
        return math.exp(self.log - self.reach), math.exp(self.log + self.reach)

    @property
    def p_value(self) -> float:
        """How probable a value at least as far from 0 is if the truth is 0."""
        if not self.variance:
            return float(not self.log)
        return t_p_value(self.log / math.sqrt(self.variance), self.freedom)

    def widened(self, variance: float) -> "LogEstimate":
        """Add a variance that is known well, such as that of many questions."""
        total = self.variance + variance
        if not self.variance:
            return LogEstimate(self.log, total, math.inf)
        return LogEstimate(self.log, total, self.freedom * (total / self.variance) ** 2)


def mean_over_rounds(logs: ArrayLike, rounds: ArrayLike) -> RoundMean:
    """Compute the mean of a logarithm over all questions, and how much it varies between rounds.

    Args:
        logs: the logarithm of each question, at least one.
        rounds: a number for the round of each.
    """
    values = np.asarray(logs, np.float64)
    _, places, counts = np.unique(np.asarray(rounds), return_inverse=True, return_counts=True)
    means = np.bincount(places, values) / counts
    left = values - means[places]
    within = float(left @ left) / max(len(values) - len(counts), 1) / len(values)
    return mean_of_rounds(means, counts, within)


def mean_of_rounds(values: ArrayLike, questions: ArrayLike, within: float) -> RoundMean:
    """Compute the mean of values of rounds, weighted by their numbers of questions.

    Args:
        values: the value of each round, in logarithms; at least one.
        questions: how many questions each round has.
        within: the variance of the mean if only questions varied.
    """
    means, counts = np.asarray(values, np.float64), np.asarray(questions, np.float64)
    weights = counts / counts.sum()
    log = float(weights @ means)
    effective = 1 / float(weights @ weights)
    if effective < _FEWEST_ROUNDS:
        return RoundMean(log, Spread(0.0, 0.0), effective, within)
    off = weights * (means - log)
    variance = float(off @ off) * effective / (effective - 1)
    return RoundMean(log, Spread(variance * effective, effective - 1), effective, within)


def over_devices(means: Sequence[RoundMean], spreads: Sequence[Spread]) -> LogEstimate:
    """Average the means of several devices, with Welch and Satterthwaite's degrees of freedom.

    Args:
        means: the mean of each device, at least one.
        spreads: how much the mean of a round varies on each.
    """
    count = len(means)
    parts = [
        Spread(spread.variance / mean.rounds / count**2, spread.freedom)
        for mean, spread in zip(means, spreads, strict=True)
    ]
    log = sum(mean.log for mean in means) / count
    variance = sum(part.variance for part in parts)
    terms = sum(part.variance**2 / part.freedom for part in parts)
    return LogEstimate(log, variance, variance**2 / terms if terms else parts[0].freedom)


def of_units(logs: Sequence[float]) -> LogEstimate:
    """Average equal units, such as the devices of one type, with Student's t over them; at least two."""
    values = np.asarray(logs, np.float64)
    return LogEstimate(float(values.mean()), float(values.var(ddof=1)) / len(values), len(values) - 1)
