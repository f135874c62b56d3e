"""Sums up what a group of equal runs measured, from its columns."""

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.findings.accuracy import Drawn
from collector.findings.between_rows import Interval
from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.scores import mean_score
from collector.statistics.percentiles import FEWEST, percentile, percentile_interval
from collector.summaries.columns import ERROR, MARKED, TIMED, Columns, distinct, first_texts, mean_scores
from collector.summaries.question_means import QuestionMeans

QUANTILES: Final = tuple(
    sorted((*(i / 50 for i in range(50)), 0.05, 0.25, 0.75, 0.95, 0.99, 0.995, 0.999, 1.0))
)
"""The fractions of a distribution: enough to draw its curve, including the tail of long times, and those that
the report's table shows."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its interval."""

    value: float
    interval: Interval | None
    """95 % interval; None if there is too little data for one."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The sums over the answers of equal runs: one bundle, the same settings and one machine type."""

    answered: int
    """How many questions have at least one answer that is not an error."""
    asked: int
    """How many questions have at least one answer, errors included."""
    errors: int
    """How many answers are errors."""
    timed: int
    """How many answers have a time that counts."""
    timed_questions: int
    """How many distinct questions have a time that counts."""
    marked: int
    """How many answers have a time that does not count, because something disturbed them."""
    mean_ns: float | None
    """Mean of the times that count; None without such times."""
    percentiles_ns: dict[str, Estimate]
    """`p50`, `p90` and `p99` of the times that count; empty without such times. The intervals know questions
    only, not rounds."""
    quantiles_ns: tuple[int, ...]
    """Quantiles of the times that count, at `QUANTILES`; empty without such times."""
    exact_match: Estimate | None
    """Mean EM over the questions, 0 to 1; None if an answer is not scored."""
    f1: Estimate | None
    """Mean F1 over the questions, 0 to 1; None if an answer is not scored."""
    bertscore_f1: Estimate | None
    """Mean BERTScore F1 over the questions; None if an answer is not scored."""
    drawn: Drawn | None
    """What the intervals of these means take as drawn at random; None if an answer is not scored."""


def measured(answers: Columns, clusters: Clusters) -> Measured:
    """Sum up the answers of equal runs.

    Args:
        answers: the answers.
        clusters: the units of their distinct questions, in ascending order of their hashes.
    """
    timed = answers.state == TIMED
    times, questions = np.sort(answers.time_ns[timed]), len(distinct(answers.question[timed]))
    f1 = _over_questions(answers, answers.f1, clusters)
    return Measured(
        answered=len(first_texts(answers).question),
        asked=len(distinct(answers.question)),
        errors=int(np.count_nonzero(answers.state == ERROR)),
        timed=len(times),
        timed_questions=questions,
        marked=int(np.count_nonzero(answers.state == MARKED)),
        mean_ns=float(times.mean()) if len(times) else None,
        percentiles_ns={
            f"p{percent}": Estimate(
                value=percentile(times, percent / 100),
                interval=percentile_interval(times, percent / 100, questions)
                if questions >= FEWEST[percent / 100]
                else None,
            )
            for percent in (50, 90, 99)
            if len(times)
        },
        quantiles_ns=tuple(percentile(times, q) if q else int(times[0]) for q in QUANTILES if len(times)),
        exact_match=_over_questions(answers, answers.exact_match, clusters),
        f1=f1,
        bertscore_f1=_over_questions(answers, answers.bertscore_f1, clusters),
        drawn=None if f1 is None else Drawn(unit=clusters.unit, units=clusters.units),
    )


def over_devices(row: QuestionMeans, clusters: Clusters, units: Sequence[Measured]) -> Measured:
    """Sum up the answers of several devices. Times are medians over them, so that each device counts once.

    The ends of an interval are the medians of the devices' ends.

    Args:
        row: the means of each question over all devices.
        clusters: the units of its questions.
        units: the sums over the answers of each device.
    """
    timed = [unit for unit in units if unit.timed]
    percentiles = {}
    for name in timed[0].percentiles_ns if timed else ():
        found = [unit.percentiles_ns[name] for unit in timed]
        intervals = [estimate.interval for estimate in found if estimate.interval is not None]
        percentiles[name] = Estimate(
            value=median(estimate.value for estimate in found),
            interval=(median(low for low, _ in intervals), median(high for _, high in intervals))
            if len(intervals) == len(found)
            else None,
        )
    f1 = _mean(row.f1, clusters)
    return Measured(
        answered=row.answered,
        asked=len(row.question),
        errors=row.errors,
        timed=row.timed,
        timed_questions=int(np.count_nonzero(row.devices)),
        marked=row.marked,
        mean_ns=median(unit.mean_ns for unit in timed if unit.mean_ns is not None) if timed else None,
        percentiles_ns=percentiles,
        quantiles_ns=tuple(
            round(median(values)) for values in zip(*(unit.quantiles_ns for unit in timed), strict=True)
        ),
        exact_match=_mean(row.exact_match, clusters),
        f1=f1,
        bertscore_f1=_mean(row.bertscore_f1, clusters),
        drawn=None if f1 is None else Drawn(unit=clusters.unit, units=clusters.units),
    )


def _over_questions(answers: Columns, scores: NDArray[Any], clusters: Clusters) -> Estimate | None:
    return _mean(mean_scores(answers, scores).value, clusters)


def _mean(scores: NDArray[np.float64], clusters: Clusters) -> Estimate | None:
    if not len(scores) or np.isnan(scores).any():
        return None
    found = mean_score(scores, clusters)
    return Estimate(value=found.value, interval=(found.low, found.high))
