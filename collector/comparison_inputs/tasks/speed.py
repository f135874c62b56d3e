"""Compares mean times on the questions that rows share."""

from collections.abc import Sequence
from functools import partial, reduce
from itertools import chain
from typing import NamedTuple

import numpy as np

from collector.comparison_inputs.answers import Answers, Remembered, RunSet
from collector.comparison_inputs.tasks.means import means, remembered
from collector.comparison_inputs.tasks.task import Task
from collector.findings.between_rows import Interval
from collector.statistics.means import ratio_of_means
from collector.statistics.timing.ratios import geometric_mean
from collector.summaries.columns import common, shared


class Gain(NamedTuple):
    """How many times faster questions are in batches than one by one."""

    ratio: float
    """The mean time of a question alone over its share of a batch's time."""
    questions: int
    interval: Interval
    """Interval of `ratio` if only questions varied."""


def batch_gain(one_by_one: RunSet, batched: RunSet) -> Task[Gain | None]:
    """Divide the mean time of questions asked one by one by that of the same questions in batches.

    Both are of one device. The time of a question in a batch is its share of the batch's time.
    """
    of = (*one_by_one.digests, "over", *batched.digests)
    return Task("gain", of, Gain | None, partial(_batch_gain, one_by_one, batched))


def geometric_means(rows: Sequence[RunSet]) -> Task[list[float]]:
    """Compute the geometric mean of each row's milliseconds over the questions that all of them share.

    It finds an empty list if they share no question.
    """
    of = tuple(digest for row in rows for digest in ("group", *row.digests))
    needs = [means(row) for row in rows]
    sides = tuple(remembered(row, found) for row, found in zip(rows, needs, strict=True))
    compute = partial(_geometric_means, sides)
    return Task("geometric means", of, list[float], compute, tuple(chain.from_iterable(needs)))


def _batch_gain(one_by_one: RunSet, batched: RunSet, answers: Answers) -> Gain | None:
    before, after = shared(answers.question_ns(one_by_one), answers.question_ns(batched))
    if not len(after) or not after.any():
        return None
    found = ratio_of_means(before, after)
    return Gain(found.value, len(after), (found.low, found.high))


def _geometric_means(rows: Sequence[Remembered], answers: Answers) -> list[float]:
    everywhere = reduce(common, (answers.means(row).times.question for row in rows))
    found = []
    for row in rows:
        times = answers.means(row).times
        chosen = times.value[np.isin(times.question, everywhere, assume_unique=True)]
        if len(chosen):
            found.append(geometric_mean(np.maximum(chosen, 1)) / 1e6)
    return found
