"""What a comparison finds between rows: differences, gates, divergence, the split of time, a choice.

Every interval covers 95 %. A `Place` names rows that may be compared with each other, a `RowName` one row.
"""

import msgspec

Interval = tuple[float, float]
"""Lower and upper end, in the unit of what it belongs to."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where numbers may be compared: one hardware class and one question file."""

    hardware_class: str
    questions: str
    """Name of the question file."""
    questions_sha256: str


class RowName(msgspec.Struct, frozen=True, kw_only=True):
    """Names one row of a comparison."""

    hardware_class: str
    questions_sha256: str
    model: str
    precision: str


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """An equal part of a run's duration. None where there is no reading."""

    seconds: float
    """Since the run started, the middle of the part."""
    p50_ms: float | None
    """Of the questions asked in it, disturbed ones included: here the disturbance is what one looks for."""
    temperature_celsius: float | None
    """Highest."""
    clock_hz: float | None
    """Lowest."""
    throttled: bool
    """Whether an answer or a sample says that the processor was held back."""
    energy_joules: float | None
    """Since the run started."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a row against those of another on the questions that both answered.

    Either a row against the baseline of its place, or one precision of a model against its fp32.
    """

    row: RowName
    against: RowName
    questions: int
    exact_match: float
    """Points of percent; above 0 where the row is better."""
    only_row: int
    """Questions that only the row answers exactly."""
    only_against: int
    p_value: float
    """Exact McNemar test, two-sided, of `only_row` against `only_against`."""
    exact_match_significant: bool
    f1: float
    """Points of percent."""
    f1_interval: Interval
    """Paired bootstrap over questions."""
    f1_significant: bool
    """The interval leaves 0 out."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """How much of fp32's F1 a precision keeps, on the same hardware and the questions that both answered."""

    row: RowName
    questions: int
    percent_of_fp32: float
    interval: Interval
    """Paired bootstrap over questions."""
    passes_99: bool
    passes_99_9: bool


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A question that two sides answer differently."""

    question_id: str
    left: str
    right: str


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides that could answer alike and how often they do not.

    Either one bundle on two kinds of processor, or a precision of a model against its fp32 on one.
    """

    kind: str
    """`hardware` or `precision`."""
    model: str
    left: RowName
    right: RowName
    left_on: str
    """Architecture and the instruction sets that decide how int8 runs."""
    right_on: str
    questions: int
    """Answered by both, without error."""
    differ: int
    percent_equal: float
    examples: tuple[Disagreement, ...]
    """The first in order of question id."""
    left_percent_of_fp32: float | None
    right_percent_of_fp32: float | None
    gates_flipped: tuple[str, ...]
    """Of `99 %` and `99.9 %`: those that one side passes and the other fails."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a model, or a hardware, does to time wherever it appears."""

    name: str
    factor: float
    """Times the grand geometric mean."""


class PairTime(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of model and hardware in a two-way split."""

    model: str
    hardware_class: str
    measured_ms: float | None
    """Geometric mean over the questions; None where the pair was not measured."""
    predicted_ms: float | None
    """What the two effects alone make of it; a prediction, never a measurement."""
    interaction: float | None
    """measured / predicted: 1 where the model is as fast here as it is everywhere."""


class TimeSplit(msgspec.Struct, frozen=True, kw_only=True):
    """Log time of the models of one precision, split into model, hardware and interaction."""

    questions: str
    questions_sha256: str
    precision: str
    mean_ms: float
    """Grand geometric mean."""
    models: tuple[Effect, ...]
    hardware: tuple[Effect, ...]
    cells: tuple[PairTime, ...]
    """Every pair, hardware by hardware."""
    typical_error: float | None
    """Predictions are off by about this factor, by leaving out one measured pair at a time; None where too
    few pairs are measured to tell."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What meets a requirement in one place."""

    place: Place
    met_by: tuple[RowName, ...]
    """Best first: by F1, then by time."""
    nearest: RowName | None
    """Where nothing meets it: what misses it by least."""
    misses: tuple[str, ...]
    """What the nearest misses, a sentence each."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for with `--require`, and what meets it."""

    expression: str
    choices: tuple[Choice, ...]
