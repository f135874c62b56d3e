"""What a model costs anywhere and what a hardware costs for any model: a two-way split of log time.

log time = mean + model + hardware + interaction, as in a two-way analysis of variance without replication.
Model and hardware are fitted by least squares to the pairs that were measured; interaction is what they
leave over. Where a pair was not measured, mean + model + hardware predicts it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Pair = tuple[str, str]
"""Model and hardware."""


class Split(NamedTuple):
    """The parts, each as a factor on time."""

    mean: float
    models: dict[str, float]
    hardware: dict[str, float]
    predicted: dict[Pair, float]
    """Of every pair that the measured ones lead to."""
    typical_error: float | None
    """Geometric mean factor by which the prediction of a left-out pair misses; None where none can be left
    out, since the others would not lead to it."""


def split(times: Mapping[Pair, float]) -> Split | None:
    """Split times above 0, of one unit, by model and hardware.

    Returns:
        None where there are not two models and two kinds of hardware that a chain of measured pairs joins.
    """
    models, hardware = sorted({m for m, _ in times}), sorted({h for _, h in times})
    if len(models) < 2 or len(hardware) < 2 or not _joined(times):
        return None
    fitted = _fit(times, models, hardware)
    errors = []
    for pair, time in times.items():
        others = {other: value for other, value in times.items() if other != pair}
        leads_there = any(m == pair[0] for m, _ in others) and any(h == pair[1] for _, h in others)
        if leads_there and _joined(others):
            errors.append(abs(np.log(_fit(others, models, hardware).predicted[pair] / time)))
    return fitted._replace(typical_error=float(np.exp(np.mean(errors))) if errors else None)


def _fit(times: Mapping[Pair, float], models: list[str], hardware: list[str]) -> Split:
    pairs = list(times)
    design = np.zeros((len(pairs) + 2, 1 + len(models) + len(hardware)))
    for row, (model, where) in enumerate(pairs):
        design[row, [0, 1 + models.index(model), 1 + len(models) + hardware.index(where)]] = 1
    # The effects of each kind sum up to 0, as log factors do around a mean.
    design[-2, 1 : 1 + len(models)] = 1
    design[-1, 1 + len(models) :] = 1
    logs = np.append(np.log([times[pair] for pair in pairs]), [0.0, 0.0])
    factors = np.exp(np.linalg.lstsq(design, logs, rcond=None)[0])
    by_model = dict(zip(models, map(float, factors[1:]), strict=False))
    by_hardware = dict(zip(hardware, map(float, factors[1 + len(models) :]), strict=True))
    mean = float(factors[0])
    predicted = {(m, h): mean * by_model[m] * by_hardware[h] for m in models for h in hardware}
    return Split(mean, by_model, by_hardware, predicted, None)


def _joined(pairs: Mapping[Pair, float]) -> bool:
    """Whether measured pairs lead from every model and hardware to every other."""
    reached: set[Pair] = set()
    waiting = list(pairs)[:1]
    while waiting:
        pair = waiting.pop()
        if pair not in reached:
            reached.add(pair)
            waiting += [other for other in pairs if other[0] == pair[0] or other[1] == pair[1]]
    return len(reached) == len(pairs)
