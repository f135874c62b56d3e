"""Compares the scores of two rows on the questions that both answered."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.answers import Answers, RunSet, Source
from collector.comparison_inputs.tasks.task import Task
from collector.findings.accuracy import Drawn
from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.scores import MeanDifference, difference, kept
from collector.statistics.confidence import Mean
from collector.summaries.columns import Columns, mean_scores, shared

_HALF: Final = 0.5


class PairedScore(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of one score on both sides, on the same questions."""

    left: float
    right: float
    difference: MeanDifference


class PairedScores(msgspec.Struct, frozen=True, kw_only=True):
    """How the scores of a row differ from those of another one, on the questions that both answered."""

    questions: int
    drawn: Drawn
    only_left: int
    """Questions that only the row answers exactly."""
    only_right: int
    """Questions that only the other row answers exactly."""
    exact_match: PairedScore
    f1: PairedScore
    bertscore_f1: PairedScore | None
    """None if an answer has no BERTScore."""
    f1_kept: Mean | None
    """The row's F1 divided by the other one's; None if that is 0."""


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
    question = np.intersect1d(ours.question, theirs.question)
    if not len(question):
        return None
    clusters = answers.clusters(left, question)

    def both(score: Callable[[Columns], NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return shared(mean_scores(ours, score(ours)), mean_scores(theirs, score(theirs)))

    f1, exact = both(lambda columns: columns.f1), both(lambda columns: columns.exact_match)
    alike = both(lambda columns: columns.bertscore_f1)
    exact_left, exact_right = exact[0] >= _HALF, exact[1] >= _HALF
    return PairedScores(
        questions=len(question),
        drawn=Drawn(unit=clusters.unit, units=clusters.units),
        only_left=int(np.count_nonzero(exact_left & ~exact_right)),
        only_right=int(np.count_nonzero(exact_right & ~exact_left)),
        exact_match=_paired(*exact, clusters),
        f1=_paired(*f1, clusters),
        bertscore_f1=None if np.isnan(alike).any() else _paired(*alike, clusters),
        f1_kept=kept(*f1, clusters) if f1[1].any() else None,
    )


def _paired(left: NDArray[np.float64], right: NDArray[np.float64], clusters: Clusters) -> PairedScore:
    return PairedScore(
        left=float(left.mean()), right=float(right.mean()), difference=difference(left, right, clusters)
    )


def _scored(f1: NDArray[np.float64]) -> bool:
    """Whether there are answers, all of which have a score."""
    return len(f1) > 0 and not np.isnan(f1).any()
