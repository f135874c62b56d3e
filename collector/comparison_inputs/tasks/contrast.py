"""Compares the scores of two rows on the questions that both answered."""

from functools import partial
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.answers import Answers, RunSet, Source
from collector.comparison_inputs.tasks.task import Task
from collector.findings.between_rows import Interval
from collector.statistics.means import mean, ratio_of_means
from collector.statistics.shares import mcnemar
from collector.summaries.columns import mean_scores, shared

_HALF: Final = 0.5


class PairedScores(msgspec.Struct, frozen=True, kw_only=True):
    """How the scores of a row differ from those of a reference, on the questions that both answered."""

    questions: int
    only_left: int
    """Questions that only the row answers exactly."""
    only_right: int
    """Questions that only the reference answers exactly."""
    p_value: float
    """Exact McNemar test, two-sided, of `only_left` against `only_right`."""
    f1: float
    """Mean difference of F1, row minus reference, -1 to 1."""
    f1_interval: Interval
    exact_match_left: float
    """Mean EM of the row on these questions, 0 to 1."""
    exact_match_right: float
    f1_left: float
    """Mean F1 of the row on these questions, 0 to 1."""
    f1_right: float
    of_reference: float | None
    """The row's F1 divided by the reference's; None if the reference's F1 is 0."""
    of_reference_interval: Interval


def contrast(left: Source, right: Source) -> Task[PairedScores | None]:
    """Compare the scores of two sides; it finds None if one has no scores or they share no question.

    Only devices that both ran on count. If there are none, all do, since they are of one machine type.
    """
    if isinstance(left, RunSet) and isinstance(right, RunSet):
        left, right = left.shared_with(right), right.shared_with(left)
    of = (*left.digests, "against", *right.digests)
    return Task("contrast", of, PairedScores | None, partial(_contrast, left, right))


def _contrast(left: Source, right: Source, answers: Answers) -> PairedScores | None:
    ours, theirs = answers.columns(left), answers.columns(right)
    if not (_scored(ours.f1) and _scored(theirs.f1)):
        return None
    f1, reference = shared(mean_scores(ours, ours.f1), mean_scores(theirs, theirs.f1))
    if not len(f1):
        return None
    hits = shared(mean_scores(ours, ours.exact_match), mean_scores(theirs, theirs.exact_match))
    exact_left, exact_right = hits[0] >= _HALF, hits[1] >= _HALF
    only_left = int(np.count_nonzero(exact_left & ~exact_right))
    only_right = int(np.count_nonzero(exact_right & ~exact_left))
    gained = mean(f1 - reference)
    kept = ratio_of_means(f1, reference) if reference.any() else None
    return PairedScores(
        questions=len(f1),
        only_left=only_left,
        only_right=only_right,
        p_value=mcnemar(only_left, only_right),
        f1=gained.value,
        f1_interval=(gained.low, gained.high),
        exact_match_left=float(hits[0].mean()),
        exact_match_right=float(hits[1].mean()),
        f1_left=float(f1.mean()),
        f1_right=float(reference.mean()),
        of_reference=None if kept is None else kept.value,
        of_reference_interval=(0.0, 0.0) if kept is None else (kept.low, kept.high),
    )


def _scored(f1: NDArray[np.float64]) -> bool:
    """Whether there are answers, all of which have a score."""
    return len(f1) > 0 and not np.isnan(f1).any()
