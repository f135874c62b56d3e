"""Takes a mean score over from another machine that answered all questions, corrected by those asked here.

It is survey sampling's difference estimator (Cassel, Särndal and Wretman, 1976): the mean of the source over
all questions, plus the mean difference over those that both answered. These are drawn at random from all
without replacement, so the unit is the question.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.scores import MeanDifference, largest_difference, paired_error
from collector.statistics.confidence import Mean
from commandline.distributions.student_t import t_p_value, t_quantile

_CONTINUITY: Final = 0.5
"""A mean over few questions moves in steps; half a step makes the interval cover (Cochran, 1977, 3.6)."""


class Correction(NamedTuple):
    """By how much a mean score over all questions is above the source's."""

    value: float
    reach: float
    """Half the width of its 95 % interval: that of the transfer, which knows nothing of other questions."""


NONE: Final = Correction(0.0, 0.0)
"""The correction of what was measured on all questions."""


def correction(here: ArrayLike, source: ArrayLike, asked: ArrayLike, most: float | None = None) -> Correction:
    """Estimate by how much the mean score over all questions is above the source's.

    The interval is `paired_error`'s, with the correction for a finite number of questions and half a question
    for continuity. If all were asked, it has no width.

    Args:
        here: one score per question that was asked here, which are drawn at random from all; at least two.
        source: the source's scores of all questions.
        asked: the places in `source` of the questions that were asked here.
        most: the largest difference that one question can make; None for that between any two of the scores.
    """
    ours, everything = np.asarray(here, np.float64), np.asarray(source, np.float64)
    theirs = everything[np.asarray(asked)]
    value = float((ours - theirs).mean())
    if len(ours) == len(everything):
        return Correction(value, 0.0)
    most = largest_difference(ours, everything) if most is None else most
    error, freedom = paired_error(ours - theirs - value, most, Clusters.alone(len(ours)))
    unseen = 1 - len(ours) / len(everything)
    half = t_quantile(freedom) * error * math.sqrt(unseen) + _CONTINUITY * most / len(everything)
    return Correction(value, half)


def taken_over(source: Mean, by: Correction) -> Mean:
    """Correct the source's mean score. The interval joins the transfer's and the source's own.

    The two errors are independent: the file's questions were drawn for the one, and those that were asked
    here for the other. So the result is for articles or questions like these, as the source's interval is. If
    that has no width, the result is for the questions of this file.

    Args:
        source: the source's mean score over all questions, with its interval.
        by: the correction.
    """
    bottom, top = min(0.0, source.low), max(1.0, source.high)
    value = min(max(source.value + by.value, bottom), top)
    low = value - math.hypot(source.value - source.low, by.reach)
    high = value + math.hypot(source.high - source.value, by.reach)
    return Mean(value, max(low, bottom), min(high, top))


def moved_difference(left: ArrayLike, right: ArrayLike, clusters: Clusters, by: Correction) -> MeanDifference:
    """Compare two sides of which one or both were taken over, on all questions.

    The interval joins that of the difference of the sources and that of the corrections. The p value is
    Student's, of this interval.

    Args:
        left: the scores of the left side's source, one per question.
        right: the scores of the right side's source.
        clusters: the units of the questions.
        by: the left side's correction less the right one's.
    """
    ours, theirs = np.asarray(left, np.float64), np.asarray(right, np.float64)
    apart = float((ours - theirs).mean())
    value, most = apart + by.value, largest_difference(ours, theirs)
    error, freedom = paired_error(ours - theirs - apart, most, clusters)
    if not freedom:
        return MeanDifference(value, -most, most, 1.0)
    t = t_quantile(freedom)
    half = math.hypot(t * error, by.reach)
    p_value = t_p_value(t * value / half, freedom)
    return MeanDifference(value, max(value - half, -most), min(value + half, most), p_value)


def moved_share(
    left: ArrayLike, right: ArrayLike, clusters: Clusters, ours: float, its: float, reach: float
) -> Mean:
    """Compute which part of the right side's mean score the left side reaches, if any side was taken over.

    Args:
        left: the scores of the left side's source, one per question.
        right: the scores of the right side's source.
        clusters: the units of the questions.
        ours: the corrected mean of the left side.
        its: the corrected mean of the right side, above 0.
        reach: half the width of the interval of the left side's correction less this part of the right one's.
    """
    part = ours / its
    over, under = np.asarray(left, np.float64), np.asarray(right, np.float64)
    residuals = over - part * under
    error, freedom = paired_error(residuals - residuals.mean(), largest_difference(over, under), clusters)
    half = math.hypot(t_quantile(freedom) * error, reach) / its if freedom else math.inf
    return Mean(part, max(part - half, 0.0), min(part + half, 1 / its))


def between(left: Correction, right: Correction) -> Correction:
    """Subtract two corrections. Some questions may be of both, so their intervals add up, as at worst."""
    return Correction(left.value - right.value, left.reach + right.reach)
