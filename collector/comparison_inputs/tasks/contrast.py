"""Compares the scores of two rows on the questions that both answered."""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.answers import Answers, Remembered, RunSet, Side, Source
from collector.comparison_inputs.tasks.means import means, remembered
from collector.comparison_inputs.tasks.task import Task
from collector.comparison_inputs.tasks.transfer import Corrections
from collector.findings.accuracy import Drawn
from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.scores import MeanDifference, difference, kept, largest_difference
from collector.statistics.accuracy.transfer import (
    NONE,
    Correction,
    between,
    correction,
    moved_difference,
    moved_share,
)
from collector.statistics.confidence import Mean
from collector.summaries.columns import PerQuestion, common, shared
from collector.summaries.question_means import Packed, QuestionMeans

_HALF: Final = 0.5


class Whole(NamedTuple):
    """A side of which the answers to all questions are known, or were taken over from another machine."""

    source: Source
    """Where the answers come from."""
    asked: RunSet | None = None
    """The side's own answers, to a part of the questions; None if `source` is the side's own."""
    corrections: Corrections | None = None
    """By how much the side's mean scores are above those of `source`, by these answers."""

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests that identify all of its numbers."""
        return (*self.source.digests, *(() if self.asked is None else ("corrected by", *self.asked.digests)))


class _Compared(NamedTuple):
    """A side as it is compared: see `Whole`."""

    source: Side
    asked: Side | None = None
    corrections: Corrections | None = None


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


_Score = Callable[[QuestionMeans], NDArray[np.float64]]


def contrast(left: Source, right: Source) -> Task[PairedScores | None]:
    """Compare the scores of two sides; it finds None if one has no scores or they share no question.

    Only devices that both ran on count. If there are none, all do, since they are of one machine type.
    """
    ours, theirs = left, right
    if isinstance(left, RunSet) and isinstance(right, RunSet):
        ours, theirs = left.shared_with(right), right.shared_with(left)
    of = (*ours.digests, "against", *theirs.digests)
    needs: list[Task[Packed]] = []
    # The means of a part of a row's devices serve one pair only: they are not remembered.
    here, there = (
        _Compared(_side(part, needs) if part is whole else part)
        for part, whole in ((ours, left), (theirs, right))
    )
    return Task("contrast", of, PairedScores | None, partial(_contrast, here, there), tuple(needs))


def contrast_on_all(left: Whole, right: Whole, asked: int) -> Task[PairedScores | None]:
    """Compare the scores of two sides on all questions; at least one of them was taken over.

    The questions that only one side answers exactly are those of the answers that were taken over.

    Args:
        left: one side.
        right: the other side.
        asked: how many questions both were really asked.
    """
    of = (*left.digests, "against", *right.digests)
    needs: list[Task[Packed]] = []
    here, there = (
        _Compared(
            _side(side.source, needs),
            None if side.asked is None else _side(side.asked, needs),
            side.corrections,
        )
        for side in (left, right)
    )
    compute = partial(_contrast_on_all, here, there, asked)
    return Task("contrast on all", of, PairedScores | None, compute, tuple(needs))


def _side(source: Source, needs: list[Task[Packed]]) -> Remembered:
    """Name a side by its means, and add these to what is needed."""
    found = means(source)
    needs += found
    return remembered(source, found)


def _contrast(left: _Compared, right: _Compared, answers: Answers) -> PairedScores | None:
    return _compared(left, right, None, answers)


def _contrast_on_all(left: _Compared, right: _Compared, asked: int, answers: Answers) -> PairedScores | None:
    return _compared(left, right, asked, answers)


def _compared(left: _Compared, right: _Compared, asked: int | None, answers: Answers) -> PairedScores | None:
    ours, theirs = answers.means(left.source), answers.means(right.source)
    if not (_scored(ours.f1) and _scored(theirs.f1)):
        return None
    question = common(ours.question, theirs.question)
    if not len(question):
        return None
    clusters = answers.clusters(left.source, question)

    def both(score: _Score) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return shared(PerQuestion(ours.question, score(ours)), PerQuestion(theirs.question, score(theirs)))

    def paired(
        score: _Score, correction_of: Callable[[Corrections], Correction | None]
    ) -> PairedScore | None:
        ours, its = _correction(left, correction_of), _correction(right, correction_of)
        scores = both(score)
        if ours is None or its is None or np.isnan(scores).any():
            return None
        if asked is None:
            found = difference(*scores, clusters)
        else:
            by = _together(left, right, score, 1.0, answers) or between(ours, its)
            found = moved_difference(*scores, clusters, by)
        return PairedScore(
            left=float(scores[0].mean()) + ours.value,
            right=float(scores[1].mean()) + its.value,
            difference=found,
        )

    exact = both(_exact_match)
    exact_left, exact_right = exact[0] >= _HALF, exact[1] >= _HALF
    of_exact, of_f1 = paired(_exact_match, lambda by: by.exact_match), paired(_f1, lambda by: by.f1)
    assert of_exact is not None and of_f1 is not None
    return PairedScores(
        questions=len(question),
        asked=len(question) if asked is None else asked,
        drawn=Drawn(unit=clusters.unit, units=clusters.units),
        only_left=int(np.count_nonzero(exact_left & ~exact_right)),
        only_right=int(np.count_nonzero(exact_right & ~exact_left)),
        exact_match=of_exact,
        f1=of_f1,
        bertscore_f1=paired(lambda row: row.bertscore_f1, lambda by: by.bertscore_f1),
        f1_kept=_kept(both(_f1), of_f1, left, right, clusters, answers) if of_f1.right > 0 else None,
    )


def _kept(
    f1: tuple[NDArray[np.float64], NDArray[np.float64]],
    paired: PairedScore,
    left: _Compared,
    right: _Compared,
    clusters: Clusters,
    answers: Answers,
) -> Mean:
    if left.corrections is None and right.corrections is None:
        return kept(*f1, clusters)
    part = paired.left / paired.right
    by = _together(left, right, _f1, part, answers)
    ours, its = (NONE if side.corrections is None else side.corrections.f1 for side in (left, right))
    reach = ours.reach + part * its.reach if by is None else by.reach
    return moved_share(*f1, clusters, paired.left, paired.right, reach)


def _together(
    left: _Compared, right: _Compared, score: _Score, part: float, answers: Answers
) -> Correction | None:
    """Estimate the left side's correction less a part of the right one's, from the questions of both.

    An answer that changes on one side is one changed question, so nothing adds up as in `between`.

    Returns:
        None unless both sides were taken over and asked the same questions.
    """
    if left.asked is None or right.asked is None:
        return None
    here: list[PerQuestion] = []
    there: list[PerQuestion] = []
    for asked, source in ((left.asked, left.source), (right.asked, right.source)):
        mine, theirs = answers.means(asked), answers.means(source)
        here.append(PerQuestion(mine.question, score(mine)))
        there.append(PerQuestion(theirs.question, score(theirs)))
    if not np.array_equal(here[0].question, here[1].question):
        return None
    most = max(largest_difference(own.value, all_of.value) for own, all_of in zip(here, there, strict=True))
    return correction(
        here[0].value - part * here[1].value,
        there[0].value - part * there[1].value,
        np.searchsorted(there[0].question, here[0].question),
        most,
    )


def _correction(side: _Compared, of: Callable[[Corrections], Correction | None]) -> Correction | None:
    return NONE if side.corrections is None else of(side.corrections)


def _exact_match(means: QuestionMeans) -> NDArray[np.float64]:
    return means.exact_match


def _f1(means: QuestionMeans) -> NDArray[np.float64]:
    return means.f1


def _scored(f1: NDArray[np.float64]) -> bool:
    """Whether there are answers, all of which have a score."""
    return len(f1) > 0 and not np.isnan(f1).any()
