"""The students that can be made from a teacher, each with its predictions."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from commandline.estimation import arithmetic
from commandline.estimation.latency import Line
from commandline.requirement import Condition
from contract.bundle import Architecture, Precision
from export.models import catalog
from export.models.catalog import architecture
from export.suggestion.measurements import Measurement
from export.suggestion.requirement import FIELDS

Verdict = Literal["should meet", "may meet", "too slow", "too fast", "too large", "too small"]

_RANK: Final[dict[Verdict, int]] = {
    "should meet": 0,
    "may meet": 1,
    "too slow": 2,
    "too fast": 3,
    "too large": 4,
    "too small": 5,
}


class SuggestedStudent(msgspec.Struct, frozen=True, kw_only=True):
    """One student in one precision."""

    student: str
    """The student as `export-models distill --student` accepts it."""
    begins_from: str
    """Source of its first weights."""
    precision: Precision
    layers: int
    hidden_size: int
    parameters: int
    size_bytes: float
    gigaflops: float
    """Mean arithmetic per question, in 10^9 operations."""
    latencies_ms: dict[str, tuple[float, float | None, float | None]]
    """Prediction of each percentile that the requirement names, and its 95 % prediction interval."""
    extrapolated: bool
    """Whether the student computes less or more than every measured shape."""
    verdict: Verdict


def ranked(
    teacher: Architecture,
    asked: Measurement,
    lines: dict[str, Line],
    conditions: Sequence[Condition],
    usable: Sequence[Measurement],
) -> list[SuggestedStudent]:
    """All students that can be made, in every precision that was measured, the best first.

    Args:
        teacher: shape of the teacher.
        asked: the measurement that provides the lengths of the questions.
        lines: the fitted line of each percentile of the conditions.
        conditions: the conditions of the requirement.
        usable: the measurements that provide the sizes of precisions.
    """
    candidates = [
        _candidate(student, start, shape, precision, asked, lines, conditions, usable)
        for student, start, shape in _shapes(teacher, asked)
        for precision in sorted({m.manifest.precision for m in usable})
    ]
    return sorted(candidates, key=lambda c: (_RANK[c.verdict], -c.gigaflops, c.size_bytes))


def _shapes(teacher: Architecture, asked: Measurement) -> Iterator[tuple[str, str, Architecture]]:
    """The students that compute less than their teacher and have weights to start from.

    They start from fewer layers of the teacher, or from a base model of the catalog.
    """
    most = arithmetic.gigaflops(teacher, asked.lengths)
    for layers in range(1, teacher.layers):
        shape = msgspec.structs.replace(teacher, layers=layers)
        yield f"layers={layers}", "layers of the teacher", shape
    for model in catalog.MODELS:
        shape = architecture(model.config)
        same_words = shape.vocab_size == teacher.vocab_size
        if model.base_id is None or shape.family not in arithmetic.FAMILIES or not same_words:
            continue
        if arithmetic.gigaflops(shape, asked.lengths) < most:
            yield model.name, model.base_id, shape


def _candidate(
    student: str,
    start: str,
    shape: Architecture,
    precision: Precision,
    asked: Measurement,
    lines: dict[str, Line],
    conditions: Sequence[Condition],
    usable: Sequence[Measurement],
) -> SuggestedStudent:
    amount = arithmetic.gigaflops(shape, asked.lengths)
    predictions = {field: line.predict(amount, precision) for field, line in lines.items()}
    count = arithmetic.parameters(shape)
    size = count * _bytes_per_parameter(usable, precision)
    verdicts: list[Verdict] = []
    for condition in conditions:
        if FIELDS[condition.field] == "latency":
            found = predictions[condition.field]
            worst = found.high if condition.is_upper else found.low
            sure = worst is not None and condition.met(worst)
            beyond: Verdict = "too slow" if condition.is_upper else "too fast"
            possible = condition.met(found.milliseconds)
            verdicts.append("should meet" if sure else "may meet" if possible else beyond)
        elif FIELDS[condition.field] == "size":
            value = (count if condition.field == "parameters_m" else size) / 1e6
            beyond = "too large" if condition.is_upper else "too small"
            verdicts.append("should meet" if condition.met(value) else beyond)
    return SuggestedStudent(
        student=student,
        begins_from=start,
        precision=precision,
        layers=shape.layers,
        hidden_size=shape.hidden_size,
        parameters=count,
        size_bytes=size,
        gigaflops=amount,
        latencies_ms={field: (p.milliseconds, p.low, p.high) for field, p in predictions.items()},
        extrapolated=any(p.extrapolated for p in predictions.values()),
        verdict=max(verdicts, key=_RANK.__getitem__),
    )


def _bytes_per_parameter(usable: Sequence[Measurement], precision: Precision) -> float:
    ratios = [m.size_bytes / m.manifest.parameters for m in usable if m.manifest.precision == precision]
    return sum(ratios) / len(ratios)
