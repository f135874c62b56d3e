"""Sums up the answers of a row: all of them, each device's, and how well runs and devices agree."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np

from collector.comparison_inputs.answers import Answers, Remembered, RunSet, Source
from collector.comparison_inputs.tasks.means import means, remembered
from collector.comparison_inputs.tasks.task import Task
from collector.summaries.columns import PerQuestion, distinct, shared
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
    needs = means(source)
    compute = partial(_sums_over_devices, remembered(source, needs), tuple(units))
    return Task("measured", source.digests, Measured, compute, needs)


def repeated(source: RunSet) -> Task[tuple[Repeat, ...]]:
    """Compare consecutive runs of each device."""
    of = (*source.digests, *(run.run_id for run in source.runs))
    return Task("repeats", of, tuple[Repeat, ...], partial(_repeated, source))


def deviations(source: RunSet) -> Task[dict[str, Deviation]]:
    """Compare the times of each device with the median of all devices, question by question."""
    of = (*source.digests, *source.devices)
    needs = means(source)
    compute = partial(_deviations, source, remembered(source, needs))
    return Task("devices", of, dict[str, Deviation], compute, needs)


def _sums(source: Source, answers: Answers) -> Measured:
    columns = answers.columns(source)
    return measured(columns, answers.clusters(source, distinct(columns.question)))


def _sums_over_devices(row: Remembered, units: Sequence[Measured], answers: Answers) -> Measured:
    found = answers.means(row)
    return over_devices(found, answers.clusters(row, found.question), units)


def _repeated(source: RunSet, answers: Answers) -> tuple[Repeat, ...]:
    """Compare the runs of one device after the other; the results are in order of the later run."""
    order = {run.run_id: place for place, run in enumerate(source.runs)}
    found = [
        repeat
        for device in source.devices.values()
        if len(device.runs) > 1
        for repeat in repeats(
            Measurement(run.run_id, run.device_id, answers.of_run(run)) for run in device.runs
        )
    ]
    return tuple(sorted(found, key=lambda repeat: order[repeat.later]))


def _deviations(source: RunSet, row: Remembered, answers: Answers) -> dict[str, Deviation]:
    middle = answers.means(row).middle_logs
    found = {}
    for device_id, device in source.devices.items():
        times = answers.question_ns(device)
        mine, common = shared(PerQuestion(times.question, np.log(np.maximum(times.value, 1))), middle)
        if len(mine):
            found[device_id] = Deviation(
                questions=len(mine), deviation=float(np.expm1(np.median(mine - common)))
            )
    return found
