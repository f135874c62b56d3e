"""Compares the times of rows on the questions that they share."""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.answers import Answers, RunSet
from collector.comparison_inputs.tasks.task import Task
from collector.statistics.means import ratio_of_means
from collector.statistics.medians import SpeedUp, speed_up
from collector.statistics.ratios import geometric_mean
from collector.summaries.columns import PerQuestion, mean_times, shared


def faster(baseline: RunSet, row: RunSet) -> Task[SpeedUp | None]:
    """Compute the speed-up of a row over its baseline, on the devices that both ran on."""
    of = (*baseline.digests, *baseline.devices, "over", *row.digests, *row.devices)
    return Task("speed_up", of, SpeedUp | None, partial(_faster, baseline, row))


def batch_gain(one_by_one: RunSet, batched: RunSet) -> Task[SpeedUp | None]:
    """Divide the mean time of questions asked one by one by that of the same questions in batches.

    Both are of one device. The time of a question in a batch is its share of the batch's time.
    """
    of = (*one_by_one.digests, "over", *batched.digests)
    return Task("gain", of, SpeedUp | None, partial(_batch_gain, one_by_one, batched))


def geometric_means(rows: Sequence[RunSet]) -> Task[list[float]]:
    """Compute the geometric mean of each row's milliseconds over the questions that all of them share.

    It finds an empty list if they share no question.
    """
    of = tuple(digest for row in rows for digest in ("group", *row.digests))
    return Task("geometric means", of, list[float], partial(_geometric_means, tuple(rows)))


def paired_times(left: RunSet, right: RunSet, answers: Answers) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the times of the questions that both answered on the same device.

    Over several devices they are geometric means over those that answered a question for both.
    """
    lefts: list[PerQuestion] = []
    rights: list[PerQuestion] = []
    of_left, of_right = left.devices, right.devices
    for device_id in sorted(of_left.keys() & of_right.keys()):
        ours, theirs = answers.question_ns(of_left[device_id]), answers.question_ns(of_right[device_id])
        both = np.intersect1d(ours.question, theirs.question, assume_unique=True)
        for times, found in ((ours, lefts), (theirs, rights)):
            found.append(PerQuestion(both, times.value[np.isin(times.question, both, assume_unique=True)]))
    if not lefts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if len(lefts) == 1:
        return lefts[0].value, rights[0].value
    return mean_times(lefts, of_all=False).value, mean_times(rights, of_all=False).value


def _faster(baseline: RunSet, row: RunSet, answers: Answers) -> SpeedUp | None:
    return speed_up(*paired_times(baseline, row, answers))


def _batch_gain(one_by_one: RunSet, batched: RunSet, answers: Answers) -> SpeedUp | None:
    before, after = shared(answers.question_ns(one_by_one), answers.question_ns(batched))
    if not len(after) or not after.any():
        return None
    found = ratio_of_means(before, after)
    return SpeedUp(found.value, len(after), found.low, found.high)


def _geometric_means(rows: Sequence[RunSet], answers: Answers) -> list[float]:
    common = reduce(_common, (answers.question_ns(row).question for row in rows))
    means = []
    for row in rows:
        times = answers.question_ns(row)
        chosen = times.value[np.isin(times.question, common, assume_unique=True)]
        if len(chosen):
            means.append(geometric_mean(np.maximum(chosen, 1)) / 1e6)
    return means


def _common(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    return left if np.array_equal(left, right) else np.intersect1d(left, right, assume_unique=True)
