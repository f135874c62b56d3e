"""Sums up the answers of a row: all of them, each device's, and how well runs and devices agree."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np

from collector.comparison_inputs.answers import Answers, RunSet, Source
from collector.comparison_inputs.tasks.task import Task
from collector.summaries.measured import Measured, measured, over_devices
from collector.summaries.repeatability import Measurement, Repeat, repeats

FEWEST_DEVICES: Final = 2
"""The fewest devices that can be compared with each other."""


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """How the times of one device differ from those of all devices of its row, as shares."""

    questions: int
    """How many questions this device and another one have a time for."""
    deviation: float


def sums(source: Source) -> Task[Measured]:
    """Sum up answers of one device, or imported predictions."""
    return Task("measured", source.digests, Measured, partial(_sums, source))


def sums_over_devices(source: RunSet, units: Sequence[Measured]) -> Task[Measured]:
    """Sum up answers of several devices, of which each counts once.

    Args:
        source: the runs.
        units: the sums of each device.
    """
    return Task("measured", source.digests, Measured, partial(_sums_over_devices, source, tuple(units)))


def repeated(source: RunSet) -> Task[tuple[Repeat, ...]]:
    """Compare consecutive runs of each device."""
    of = (*source.digests, *(run.run_id for run in source.runs))
    return Task("repeats", of, tuple[Repeat, ...], partial(_repeated, source))


def deviations(source: RunSet) -> Task[dict[str, Deviation]]:
    """Compare the times of each device with the median of all devices, question by question."""
    of = (*source.digests, *source.devices)
    return Task("devices", of, dict[str, Deviation], partial(_deviations, source))


def _sums(source: Source, answers: Answers) -> Measured:
    columns = answers.columns(source)
    return measured(columns, answers.clusters(source, np.unique(columns.question)))


def _sums_over_devices(source: RunSet, units: Sequence[Measured], answers: Answers) -> Measured:
    return over_devices(_sums(source, answers), units)


def _repeated(source: RunSet, answers: Answers) -> tuple[Repeat, ...]:
    return repeats(Measurement(run.run_id, run.device_id, answers.of_run(run)) for run in source.runs)


def _deviations(source: RunSet, answers: Answers) -> dict[str, Deviation]:
    times = {device_id: answers.question_ns(device) for device_id, device in source.devices.items()}
    questions = np.unique(np.concatenate([of_device.question for of_device in times.values()]))
    logs = np.full((len(times), len(questions)), np.nan)
    for row, of_device in enumerate(times.values()):
        logs[row, np.searchsorted(questions, of_device.question)] = np.log(np.maximum(of_device.value, 1))
    logs = logs[:, np.count_nonzero(~np.isnan(logs), axis=0) >= FEWEST_DEVICES]
    found = {}
    for row, device_id in enumerate(times):
        mine = logs[:, ~np.isnan(logs[row])]
        if mine.shape[1]:
            middle = np.nanmedian(mine, axis=0)
            found[device_id] = Deviation(
                questions=mine.shape[1],
                deviation=float(np.expm1(np.median(mine[row] - middle))),
            )
    return found
