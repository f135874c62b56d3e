"""The findings between rows: divergence, the split of time, and a choice by requirement.

Every interval covers 95 %. A `Place` names rows that may be compared with each other; a `RowName` names one
row.
"""

import msgspec

from collector.findings.verdict import Verdict

Interval = tuple[float, float]
"""Lower and upper end, in the unit of the number that the interval belongs to."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One machine type and one question file, within which numbers may be compared."""

    hardware_class: str
    machine: str
    """Type of the machine: devices of one type are units of it."""
    questions: str
    """Name of the question file."""
    questions_sha256: str


class RowName(msgspec.Struct, frozen=True, kw_only=True):
    """Names one row of a comparison."""

    hardware_class: str
    machine: str
    """Type of the machine: devices of one type are units of it."""
    questions_sha256: str
    model: str
    precision: str


class PlaceBaseline(msgspec.Struct, frozen=True, kw_only=True):
    """The row that the speed-ups and the differences of a place are relative to."""

    place: Place
    row: RowName
    stands_in: bool
    """Whether it is the largest fp32 model there, because the chosen baseline has no fp32 times there."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One of the equal parts of a run's duration. A reading is None if there is none in this part."""

    seconds: float
    """Time from the start of the run to the middle of the part."""
    p50_ms: float | None
    """Median time of the questions asked in the part, including disturbed ones, to show disturbances."""
    temperature_celsius: float | None
    """Highest temperature."""
    clock_hz: float | None
    """Lowest clock."""
    throttled: bool
    """Whether an answer or a sample reports that the processor was throttled, capped or short of voltage."""
    answers: int
    """How many questions were asked in the part."""
    throttled_answers: int
    """How many of these have a mark because the processor was throttled, capped or short of voltage."""
    energy_joules: float | None
    """The last reading of the meter in the part: energy since the start of the run."""


class RunEnds(msgspec.Struct, frozen=True, kw_only=True):
    """The times of the first and of the last tenth of a run's answers, errors left out."""

    answers: int
    """How many answers each of the two tenths has, at least 6."""
    first_p50_ms: float
    """Median of the first tenth, including disturbed answers."""
    last_p50_ms: float
    """Median of the last tenth, including disturbed answers."""
    ratio: float
    """`last_p50_ms` / `first_p50_ms`; above 1 if the run became slower."""
    interval: Interval
    """Interval of `ratio`, by bootstrap; wide for few answers, because the tenths asked other questions."""


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One device of a row that has several, and how its time differs from the type's."""

    row: RowName
    device_id: str
    runs: int
    questions: int
    """How many questions this device and another device of the row have a time for."""
    p50_ms: float
    """Median time of all its answers that count."""
    deviation: float
    """Percent by which its time per question differs from the median of all devices of the row; above 0 is
    slower. It is the median over the questions."""


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A question that two sides answer differently."""

    question_id: str
    left: str
    """The answer of the left side."""
    right: str
    """The answer of the right side."""


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """How often two sides that could give equal answers do not.

    The sides are one bundle on two kinds of processor, or fp32 and another precision of a model.
    """

    kind: str
    """`hardware` or `precision`."""
    model: str
    left: RowName
    right: RowName
    left_on: str
    """Processor of the left side: its architecture and the instruction sets that decide how int8 runs."""
    right_on: str
    """Processor of the right side, in the same form."""
    left_cpu: str
    """Model of the left side's processor."""
    right_cpu: str
    """Model of the right side's processor."""
    questions: int
    """How many questions both sides answered without error."""
    differ: int
    """How many of these have different answers."""
    percent_equal: float
    """Percent of these that have equal answers."""
    examples: tuple[Disagreement, ...]
    """At most 10 questions with different answers."""
    left_percent_of_fp32: float | None
    """F1 of the left side in percent of fp32's F1; None without a gate."""
    right_percent_of_fp32: float | None
    """F1 of the right side in percent of fp32's F1; None without a gate."""
    gates_flipped: tuple[str, ...]
    """The gates, `99 %` or `99.9 %`, that one of the two sides passes and the other one fails."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a model or a machine type on time, in all pairs that contain it."""

    name: str
    """The model or the machine type."""
    factor: float
    """Factor on the overall geometric mean; above 1 is slower."""


class PairTime(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of a model and a machine type in a split of time."""

    model: str
    hardware_class: str
    machine: str
    measured_ms: float | None
    """Geometric mean of the measured times over the questions; None if the pair was not measured."""
    predicted_ms: float | None
    """Time predicted from the two effects alone; never a measurement."""
    interaction: float | None
    """`measured_ms` / `predicted_ms`; above 1 if the model is slower here than the two effects predict."""


class SplitOmission(msgspec.Struct, frozen=True, kw_only=True):
    """A measured row that a split of time leaves out, because it has too few questions."""

    row: RowName
    questions: int
    """How many questions it answered, fewer than half as many as the largest row."""


class TimeSplit(msgspec.Struct, frozen=True, kw_only=True):
    """The logarithmic times of the models of one precision, split into model, hardware and interaction."""

    questions: str
    """Name of the question file."""
    questions_sha256: str
    precision: str
    mean_ms: float
    """Overall geometric mean."""
    models: tuple[Effect, ...]
    hardware: tuple[Effect, ...]
    cells: tuple[PairTime, ...]
    """Every pair, ordered by machine type."""
    most_questions: int
    """How many questions the largest row answered."""
    left_out: tuple[SplitOmission, ...]
    """The measured rows that are left out."""
    typical_error: float | None
    """The factor by which predictions are off, measured by leaving out one measured pair at a time; None if
    there are too few measured pairs."""


class OpenCondition(msgspec.Struct, frozen=True, kw_only=True):
    """A condition of a requirement that the interval of a row's number does not decide."""

    condition: str
    """Such as `f1>=88`."""
    value: float
    """The row's number."""
    interval: Interval | None
    """Its interval; None for a percentile or a speed-up that the data give none for."""
    taken_over: bool
    """Whether the number is an accuracy that was taken over from another machine."""
    verdict: Verdict


class OpenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that may meet a requirement: it fails no condition, and some are not decided."""

    row: RowName
    open: tuple[OpenCondition, ...]
    """The conditions that are not decided."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one place that meet a requirement, those that may, or the row that comes nearest."""

    place: Place
    met_by: tuple[RowName, ...]
    """The rows that meet it, with both ends of every interval; ordered by F1, then by time."""
    not_decided: tuple[OpenRow, ...]
    """The rows that may meet it, in the same order."""
    nearest: RowName | None
    """The row that comes nearest; None if a row meets the requirement or may meet it."""
    misses: tuple[str, ...]
    """The conditions that `nearest` does not meet, one phrase for each."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """The requirement of `--require`, and the rows that meet it."""

    expression: str
    choices: tuple[Choice, ...]
