"""The two-way split of the times of a report's rows, for each question file and precision."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from collector.findings import Cell, Effect, TimeSplit
from collector.groups import Group
from collector.memory import Memory
from collector.statistics import geometric_mean
from collector.two_way import Pair, split

_FULL: Final = 0.5
"""A row with fewer questions than this part of the most is left out: it would shrink what all share."""


def time_splits(groups: Sequence[Group], memory: Memory) -> Iterator[TimeSplit]:
    """Split the times of all models of one precision on all hardware, over the questions they share."""
    together: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for group in groups:
        if group.measured.timed:
            together[group.name.questions_sha256, group.name.precision].append(group)
    for (sha256, precision), timed in together.items():
        most = max(group.measured.answered for group in timed)
        full = [group for group in timed if group.measured.answered >= _FULL * most]
        times = _times(full, memory)
        found = split(times)
        if found is None:
            continue
        yield TimeSplit(
            questions=full[0].questions,
            questions_sha256=sha256,
            precision=precision,
            mean_ms=found.mean,
            models=tuple(Effect(name=name, factor=factor) for name, factor in found.models.items()),
            hardware=tuple(Effect(name=name, factor=factor) for name, factor in found.hardware.items()),
            cells=tuple(
                _cell(pair, times.get(pair), found.predicted[pair])
                for pair in sorted(found.predicted, key=lambda pair: (pair[1], pair[0]))
            ),
            typical_error=found.typical_error,
        )


def _cell(pair: Pair, measured_ms: float | None, predicted_ms: float) -> Cell:
    return Cell(
        model=pair[0],
        hardware_class=pair[1],
        measured_ms=measured_ms,
        predicted_ms=predicted_ms,
        interaction=None if measured_ms is None else measured_ms / predicted_ms,
    )


def _times(groups: Sequence[Group], memory: Memory) -> dict[Pair, float]:
    """Geometric mean milliseconds by model and hardware; nothing where they share no question."""
    digests = [digest for group in groups for digest in ("group", *group.digests)]
    means = memory.recall("geometric means", digests, list[float], lambda: _means_ms(groups))
    pairs = [(group.name.model, group.name.hardware_class) for group in groups]
    return dict(zip(pairs, means, strict=True)) if means else {}


def _means_ms(groups: Sequence[Group]) -> list[float]:
    questions = []
    for group in groups:
        questions.append(group.question_ns.question)
    common = reduce(_common, questions)
    means = []
    for group in groups:
        times = group.question_ns
        chosen = times.value[np.isin(times.question, common, assume_unique=True)]
        if len(chosen):
            means.append(geometric_mean(np.maximum(chosen, 1)) / 1e6)
    return means


def _common(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    return left if np.array_equal(left, right) else np.intersect1d(left, right, assume_unique=True)
