"""Compares each row with its teacher, or with the baseline or fp32 of its model if there is no teacher."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from collector.comparison.times import time_ratio
from collector.comparison_inputs.baseline import REFERENCE_PRECISION, reference
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.inputs import Inputs
from collector.findings.accuracy import Difference
from collector.findings.between_rows import Interval, RowName
from collector.findings.comparison import Row, name_of
from collector.findings.relative import Kind, Relative
from collector.statistics.accuracy.clusters import FEWEST
from collector.statistics.confidence import SIGNIFICANCE, Mean

_TAUGHT: Final = re.compile(r"distilled from (.+?) by ")
"""How `export-models distill` writes in a manifest which weights a student was distilled from."""
_PERCENT: Final = 100.0


class _Speed(NamedTuple):
    value: float | None
    interval: Interval | None
    of: str | None
    questions: int


class _Accuracy(NamedTuple):
    kept: Mean | None
    questions: int
    significant: bool | None


def relatives(inputs: Inputs, rows: Sequence[Row], found: Sequence[Difference]) -> Iterator[Relative]:
    """Compare the rows that have an accuracy with their teacher, or with what stands in for it.

    Args:
        inputs: what the comparison is made of.
        rows: the rows, with their speed-ups over the baseline.
        found: the differences of accuracy, with adjusted p values.
    """
    tested = {(d.row, d.against): d.f1.significant for d in found}
    made = {name_of(row): row for row in rows}
    for group in inputs.groups:
        other, kind = _reference(group, inputs)
        if other is None or group.withheld is not None or other.withheld is not None:
            continue
        speed = _over_baseline(made[group.name]) if kind == "baseline" else _speed(group, other, inputs)
        accuracy = _accuracy(group.name, other.name, inputs, tested)
        kept = accuracy.kept
        yield Relative(
            row=group.name,
            to=other.name,
            kind=kind,
            speed_up=speed.value,
            speed_up_interval=speed.interval,
            speed_up_of=speed.of,
            speed_up_questions=speed.questions,
            f1_kept=None if kept is None else _PERCENT * kept.value,
            f1_kept_interval=None if kept is None else (_PERCENT * kept.low, _PERCENT * kept.high),
            f1_questions=accuracy.questions,
            f1_significant=accuracy.significant,
        )


def _reference(group: Group, inputs: Inputs) -> tuple[Group | None, Kind]:
    """Find what a row is compared with: its teacher, the baseline if it has an accuracy, or its own fp32."""
    taught = _TAUGHT.match(group.run.bundle.distillation)
    if taught is not None:
        for other in inputs.groups:
            bundle = other.run.bundle
            if (
                other.place == group.place
                and other.name.precision == REFERENCE_PRECISION
                and bundle.model != group.name.model
                and bundle.weights.source == taught[1]
            ):
                return other, "teacher"
    baseline = inputs.baselines.of(group)
    if baseline is not None and baseline.withheld is None and baseline.name.model != group.name.model:
        return baseline, "baseline"
    own = reference(inputs.groups, group, group.name.model)
    return (None if own is group else own), "fp32"


def _over_baseline(row: Row) -> _Speed:
    """The speed-up of a row over its baseline, which is adjusted for all rows of the place."""
    interval = row.intervals.get("speed_up")
    return _Speed(row.speed_up, interval, row.speed_up_of, row.speed_up_questions)


def _speed(group: Group, other: Group, inputs: Inputs) -> _Speed:
    """How many times as fast as the other one a row is."""
    between = inputs.between(other.name, group.name)
    if between is None or not between[0].times.devices:
        return _Speed(None, None, None, 0)
    rivals, turned = between
    ratio = time_ratio(rivals.left, rivals.times, inputs)
    value, interval = ratio.ratio, ratio.interval
    if turned:  # the first of the two is the faster one if the ratio is below 1
        value = 1 / value
        interval = None if interval is None else (1 / interval[1], 1 / interval[0])
    return _Speed(value, interval, ratio.scope, rivals.times.questions)


def _accuracy(
    row: RowName, other: RowName, inputs: Inputs, tested: Mapping[tuple[RowName, RowName], bool]
) -> _Accuracy:
    """How much of the other row's F1 a row keeps, as the gates have it if they compare the same rows."""
    scores = next((c.scores for c in inputs.contrasts if (c.left.name, c.right.name) == (row, other)), None)
    turned = False
    if scores is None and (between := inputs.between(row, other)) is not None:
        scores, turned = between[0].scores, between[1]
    if scores is None:
        return _Accuracy(None, 0, None)
    kept = _turned(scores.f1_kept) if turned else scores.f1_kept
    enough = scores.drawn.units >= FEWEST
    significant = tested.get((row, other), scores.f1.difference.p_value < SIGNIFICANCE if enough else None)
    return _Accuracy(kept, scores.questions, significant)


def _turned(kept: Mean | None) -> Mean | None:
    """The part that the second row keeps of the first one's F1; None if it may be unlimited."""
    if kept is None or kept.low <= 0:
        return None
    return Mean(1 / kept.value, 1 / kept.high, 1 / kept.low)
