"""Compares the scores of two rows on the questions that both answered."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.answers import Answers, RunSet, Source
from collector.comparison_inputs.tasks.task import Task
from collector.comparison_inputs.tasks.transfer import Corrections
from collector.findings.accuracy import Drawn
from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.scores import MeanDifference, difference, kept
from collector.statistics.accuracy.transfer import NONE, Correction, between, moved_difference, moved_share
from collector.statistics.confidence import Mean
from collector.summaries.columns import Columns, mean_scores, shared
from contract.codec import encode

_HALF: Final = 0.5


class Whole(NamedTuple):
    """A side of which the answers to all questions are known, or were taken over from another machine."""

    source: Source
    """Where the answers come from."""
    corrections: Corrections | None
    """By how much the side's mean scores are above theirs; None if they are its own answers."""


class PairedScore(msgspec.Struct, frozen=True, kw_only=True):
    """The mean of one score on both sides, on the same questions."""

    left: float
    right: float
    difference: MeanDifference


class PairedScores(msgspec.Struct, frozen=True, kw_only=True):
    """How the scores of a row differ from those of another one, on the questions that both answered."""

    questions: int
    asked: int
    """How many of them both sides were really asked; fewer than `questions` if an accuracy was taken over."""
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

    @property
    def most(self) -> int | None:
        """How many questions could be asked at most; None if that is not limited to these."""
        return self.questions if self.asked < self.questions else None


def contrast(left: Source, right: Source) -> Task[PairedScores | None]:
    """Compare the scores of two sides; it finds None if one has no scores or they share no question.

    Only devices that both ran on count. If there are none, all do, since they are of one machine type.
    """
    if isinstance(left, RunSet) and isinstance(right, RunSet):
        left, right = left.shared_with(right), right.shared_with(left)
    of = (*left.digests, "against", *right.digests)
    return Task("contrast", of, PairedScores | None, partial(_contrast, left, right))


def contrast_on_all(left: Whole, right: Whole, asked: int) -> Task[PairedScores | None]:
    """Compare the scores of two sides on all questions; at least one of them was taken over.

    The questions that only one side answers exactly are those of the answers that were taken over.

    Args:
        left: one side.
        right: the other side.
        asked: how many questions both were really asked.
    """
    corrections = (left.corrections, right.corrections)
    of = (*left.source.digests, "against", *right.source.digests, encode(corrections).decode(), str(asked))
    return Task("contrast on all", of, PairedScores | None, partial(_contrast_on_all, left, right, asked))


def _contrast(left: Source, right: Source, answers: Answers) -> PairedScores | None:
    return _compared(Whole(left, None), Whole(right, None), None, answers)


def _contrast_on_all(left: Whole, right: Whole, asked: int, answers: Answers) -> PairedScores | None:
    return _compared(left, right, asked, answers)


def _compared(left: Whole, right: Whole, asked: int | None, answers: Answers) -> PairedScores | None:
    ours, theirs = answers.columns(left.source), answers.columns(right.source)
    if not (_scored(ours.f1) and _scored(theirs.f1)):
        return None
    question = np.intersect1d(ours.question, theirs.question)
    if not len(question):
        return None
    clusters = answers.clusters(left.source, question)

    def both(score: Callable[[Columns], NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return shared(mean_scores(ours, score(ours)), mean_scores(theirs, score(theirs)))

    def paired(
        scores: tuple[NDArray[np.float64], NDArray[np.float64]],
        correction: Callable[[Corrections], Correction | None],
    ) -> PairedScore | None:
        ours, its = _correction(left, correction), _correction(right, correction)
        if ours is None or its is None or np.isnan(scores).any():
            return None
        return PairedScore(
            left=float(scores[0].mean()) + ours.value,
            right=float(scores[1].mean()) + its.value,
            difference=difference(*scores, clusters)
            if asked is None
            else moved_difference(*scores, clusters, between(ours, its)),
        )

    f1, exact = both(lambda columns: columns.f1), both(lambda columns: columns.exact_match)
    alike = both(lambda columns: columns.bertscore_f1)
    exact_left, exact_right = exact[0] >= _HALF, exact[1] >= _HALF
    of_exact, of_f1 = paired(exact, lambda by: by.exact_match), paired(f1, lambda by: by.f1)
    assert of_exact is not None and of_f1 is not None
    return PairedScores(
        questions=len(question),
        asked=len(question) if asked is None else asked,
        drawn=Drawn(unit=clusters.unit, units=clusters.units),
        only_left=int(np.count_nonzero(exact_left & ~exact_right)),
        only_right=int(np.count_nonzero(exact_right & ~exact_left)),
        exact_match=of_exact,
        f1=of_f1,
        bertscore_f1=paired(alike, lambda by: by.bertscore_f1),
        f1_kept=_kept(f1, left, right, clusters) if of_f1.right > 0 else None,
    )


def _kept(
    f1: tuple[NDArray[np.float64], NDArray[np.float64]], left: Whole, right: Whole, clusters: Clusters
) -> Mean:
    if left.corrections is None and right.corrections is None:
        return kept(*f1, clusters)
    ours, its = (NONE if side.corrections is None else side.corrections.f1 for side in (left, right))
    return moved_share(*f1, clusters, ours, its)


def _correction(side: Whole, of: Callable[[Corrections], Correction | None]) -> Correction | None:
    return NONE if side.corrections is None else of(side.corrections)


def _scored(f1: NDArray[np.float64]) -> bool:
    """Whether there are answers, all of which have a score."""
    return len(f1) > 0 and not np.isnan(f1).any()
