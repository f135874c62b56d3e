"""Mean scores, the difference of two and their ratio, each with an interval that has a width.

A score is a number from 0 to 1, such as Exact Match, F1 or BERTScore F1; a rescaled BERTScore may be below 0.
Every interval is over units: `Clusters` says which.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.sign_flip import sign_flip
from collector.statistics.confidence import SIGNIFICANCE, Mean
from commandline.distributions.student_t import t_p_value, t_quantile


class MeanDifference(NamedTuple):
    """A mean difference of two sides with its interval, and whether chance may explain it."""

    value: float
    """Left minus right."""
    low: float
    high: float
    p_value: float
    """Two-sided; below 0.05 exactly if the interval leaves out 0."""

    @property
    def turned(self) -> "MeanDifference":
        """Right minus left."""
        return MeanDifference(-self.value, -self.high, -self.low, self.p_value)


def mean_score(values: ArrayLike, clusters: Clusters) -> Mean:
    """Compute a mean score with its interval: Wilson's, with the spread between units and Student's t.

    Wilson's interval is that of a share of as many independent questions as would make the mean's standard
    error (Korn and Graubard, 1998). It stays between 0 and 1 and has a width at both ends: where no two
    questions differ, it is that of a share of all of them.

    Args:
        values: one score per question, at least one.
        clusters: the units of the questions.
    """
    scores = np.asarray(values, np.float64)
    bottom, top = min(0.0, float(scores.min())), max(1.0, float(scores.max()))
    mean = float(scores.mean())
    variance, freedom = clusters.spread(scores - mean)
    if not freedom:
        return Mean(mean, bottom, top)
    share = (mean - bottom) / (top - bottom)
    variance /= (len(scores) * (top - bottom)) ** 2
    questions = share * (1 - share) / variance if np.ptp(scores) else len(scores)
    low, high = _wilson(share, questions, t_quantile(freedom))
    return Mean(mean, min(bottom + (top - bottom) * low, mean), max(bottom + (top - bottom) * high, mean))


def difference(left: ArrayLike, right: ArrayLike, clusters: Clusters) -> MeanDifference:
    """Compare the mean scores of two sides on the same questions.

    The interval is Student's, of the questions and two imagined ones: one that only the left side answers,
    and one that only the right side answers. So it has a width if no answer changed, and covers if few did.
    The p value is that of the sign-flip test of the units, which is exact for few changed answers. If only
    one of the two finds a difference, there is none: the p value is then the larger one, or the interval
    includes 0.

    Args:
        left: one score per question, at least one.
        right: the scores of the same questions, in the same order.
        clusters: the units of the questions.
    """
    ours, theirs = np.asarray(left, np.float64), np.asarray(right, np.float64)
    differences = ours - theirs
    value = float(differences.mean())
    reach = largest_difference(ours, theirs)
    error, freedom = paired_error(differences - value, reach, clusters)
    if not freedom:
        return MeanDifference(value, -reach, reach, 1.0)
    half = t_quantile(freedom) * error
    low, high = max(value - half, -reach), min(value + half, reach)
    p_value = sign_flip(clusters.totals(differences))
    if low <= 0 <= high:
        p_value = max(p_value, t_p_value(value / error, freedom))
    elif p_value >= SIGNIFICANCE:
        low, high = min(low, 0.0), max(high, 0.0)
    return MeanDifference(value, low, high, p_value)


def kept(left: ArrayLike, right: ArrayLike, clusters: Clusters) -> Mean:
    """Compute which part of the right side's mean score the left side reaches, on the same questions.

    The interval is that of `difference`, of the left side against this part of the right one.

    Args:
        left: one score per question, at least one.
        right: the scores of the same questions, in the same order; their mean is above 0.
        clusters: the units of the questions.
    """
    ours, theirs = np.asarray(left, np.float64), np.asarray(right, np.float64)
    value = float(ours.sum() / theirs.sum())
    error, freedom = paired_error(ours - value * theirs, largest_difference(ours, theirs), clusters)
    half = t_quantile(freedom) * error / float(theirs.mean()) if freedom else math.inf
    return Mean(value, max(value - half, 0.0), min(value + half, 1 / float(theirs.mean())))


def paired_error(residuals: NDArray[np.float64], reach: float, clusters: Clusters) -> tuple[float, float]:
    """Compute the standard error of a mean difference: "paired, plus two".

    It is that of the questions and two imagined ones, whose differences are `reach` and -`reach`.

    Args:
        residuals: of each question, its difference less the mean one.
        reach: the largest difference that one question can make.
        clusters: the units of the questions.

    Returns:
        The error and its degrees of freedom, which are 0 if there is only one unit.
    """
    variance, freedom = clusters.spread(residuals)
    return math.sqrt((variance + 2 * reach**2) / (len(residuals) * (len(residuals) + 2))), freedom


def largest_difference(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """The largest difference that one question can be imagined to make: from the lowest score to the best."""
    both = np.concatenate((left, right))
    return float(np.ptp(both)) or 1.0


def _wilson(share: float, questions: float, t: float) -> tuple[float, float]:
    spread = t * t / questions
    middle = (share + spread / 2) / (1 + spread)
    half = t * math.sqrt(share * (1 - share) / questions + spread / (4 * questions)) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)
