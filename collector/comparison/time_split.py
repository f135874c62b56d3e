"""Splits the times of a report's rows by model and hardware, for each question file and precision."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from collector.comparison_inputs.time_tables import TimeTable
from collector.findings.between_rows import Effect, PairTime, SplitOmission, TimeSplit

Pair = tuple[str, str]
"""The names of a model and a machine type."""


class Split(NamedTuple):
    """Times split into an overall mean and factors for models and hardware."""

    mean: float
    """Geometric mean of all times, in their unit."""
    models: dict[str, float]
    """The factor of each model on time."""
    hardware: dict[str, float]
    """The factor of each machine type on time."""
    predicted: dict[Pair, float]
    """The predicted time of every pair of these models and machine types."""
    typical_error: float | None
    """The factor by which predictions are off, as a geometric mean over measured pairs that are left out one
    at a time; None if no pair can be left out, because the other pairs do not determine it."""


def split(times: Mapping[Pair, float]) -> Split | None:
    """Split times above 0, all of one unit, by model and hardware.

    Returns:
        The split. None if there are fewer than two models or two machine types, or if no chain of measured
        pairs connects them all.
    """
    models, hardware = sorted({m for m, _ in times}), sorted({h for _, h in times})
    if len(models) < 2 or len(hardware) < 2 or not _connected(times):
        return None
    fitted = _fit(times, models, hardware)
    errors = []
    for pair, time in times.items():
        others = {other: value for other, value in times.items() if other != pair}
        both_known = any(m == pair[0] for m, _ in others) and any(h == pair[1] for _, h in others)
        if both_known and _connected(others):
            errors.append(abs(np.log(_fit(others, models, hardware).predicted[pair] / time)))
    return fitted._replace(typical_error=float(np.exp(np.mean(errors))) if errors else None)


def _fit(times: Mapping[Pair, float], models: list[str], hardware: list[str]) -> Split:
    pairs = list(times)
    design = np.zeros((len(pairs) + 2, 1 + len(models) + len(hardware)))
    for row, (model, where) in enumerate(pairs):
        design[row, [0, 1 + models.index(model), 1 + len(models) + hardware.index(where)]] = 1
    # The logarithms of the factors of each kind sum up to 0, so the mean is the overall mean.
    design[-2, 1 : 1 + len(models)] = 1
    design[-1, 1 + len(models) :] = 1
    logs = np.append(np.log([times[pair] for pair in pairs]), [0.0, 0.0])
    factors = np.exp(np.linalg.lstsq(design, logs, rcond=None)[0])
    by_model = dict(zip(models, map(float, factors[1:]), strict=False))
    by_hardware = dict(zip(hardware, map(float, factors[1 + len(models) :]), strict=True))
    mean = float(factors[0])
    predicted = {(m, h): mean * by_model[m] * by_hardware[h] for m in models for h in hardware}
    return Split(mean, by_model, by_hardware, predicted, None)


def _connected(pairs: Mapping[Pair, float]) -> bool:
    """Whether a chain of pairs that share a model or a machine type connects all pairs."""
    reached: set[Pair] = set()
    waiting = list(pairs)[:1]
    while waiting:
        pair = waiting.pop()
        if pair not in reached:
            reached.add(pair)
            waiting += [other for other in pairs if other[0] == pair[0] or other[1] == pair[1]]
    return len(reached) == len(pairs)


def time_splits(tables: Iterable[TimeTable]) -> Iterator[TimeSplit]:
    """Split the times of each precision on all hardware, over the questions that all its rows share."""
    for table in tables:
        first = table.rows[0]
        pairs = [(group.name.model, group.name.machine) for group in table.rows]
        times = dict(zip(pairs, table.means_ms, strict=True)) if table.means_ms else {}
        classes = {group.name.machine: group.name.hardware_class for group in table.rows}
        found = split(times)
        if found is None:
            continue
        yield TimeSplit(
            questions=first.questions,
            questions_sha256=first.name.questions_sha256,
            precision=first.name.precision,
            mean_ms=found.mean,
            models=tuple(Effect(name=name, factor=factor) for name, factor in found.models.items()),
            hardware=tuple(Effect(name=name, factor=factor) for name, factor in found.hardware.items()),
            cells=tuple(
                _cell(pair, classes[pair[1]], times.get(pair), found.predicted[pair])
                for pair in sorted(found.predicted, key=lambda pair: (pair[1], pair[0]))
            ),
            most_questions=table.most_questions,
            left_out=tuple(
                SplitOmission(row=group.name, questions=group.measured.answered) for group in table.left_out
            ),
            typical_error=found.typical_error,
        )


def _cell(pair: Pair, hardware_class: str, measured_ms: float | None, predicted_ms: float) -> PairTime:
    return PairTime(
        model=pair[0],
        hardware_class=hardware_class,
        machine=pair[1],
        measured_ms=measured_ms,
        predicted_ms=predicted_ms,
        interaction=None if measured_ms is None else measured_ms / predicted_ms,
    )
