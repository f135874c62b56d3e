"""What a comparison says: the types behind every report, and, encoded, the `json` format itself.

Every interval covers 95 %.
"""

import msgspec

from collector.findings.between_rows import (
    Difference,
    Divergence,
    Gate,
    Interval,
    Moment,
    Requirement,
    RowName,
    TimeSplit,
)
from collector.findings.scenario_run import ScenarioRun


class BertScoreModel(msgspec.Struct, frozen=True, kw_only=True):
    """With what the BERTScores of a comparison were computed."""

    model: str
    layers: int
    hash: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one model in one precision does on one hardware class.

    A row of predictions that were added from elsewhere has an accuracy and nothing that is measured; its
    `weights_origin` is `predictions`.
    """

    hardware_class: str
    questions: str
    """Name of the question file."""
    questions_sha256: str
    model: str
    title: str
    precision: str
    distillation: str
    parameters: int | None
    layers: int | None
    size_bytes: int | None
    """All files of the bundle."""
    weights_origin: str
    runs: int
    devices: int
    answered: int
    """Questions answered, without errors."""
    selected: int
    """Questions asked for."""
    errors: int
    """Answers that are errors: wrong, and without a time."""
    exact_match: float | None
    """Percent, over the questions answered and those that ended in an error."""
    f1: float | None
    """Percent, the same."""
    bertscore_f1: float | None
    """0 to 1, raw unless the model's hash says rescaled, the same."""
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    questions_per_second: float | None
    """One after the other: the inverse of the mean time."""
    timed: int
    """Answers whose time counts."""
    untimed: int
    """Answers whose time does not: marked as disturbed, or errors."""
    marks: dict[str, int]
    """Answers by what disturbed them; one answer may have several marks."""
    speed_up: float | None
    """Against the baseline on the same hardware; see `statistics.speed_up`."""
    speed_up_questions: int
    """On how many questions that rests."""
    f1_per_ms: float | None
    """F1 in percent over the median time."""
    joules_per_question: float | None
    joules_per_correct: float | None
    """Per question whose answer matches exactly."""
    energy_source: str | None
    load_ms: float | None
    """Median over the runs."""
    first_ms: float | None
    """The first question of a fresh process, median over the runs."""
    peak_rss_bytes: int | None
    temperature_celsius: float | None
    """The highest that a sample saw."""
    pareto: bool
    """On the Pareto front of its place: no row is both faster and more accurate."""
    best_for: tuple[str, ...]
    intervals: dict[str, Interval]
    """By the field's name, where there is one: exact_match, f1, p50_ms, p90_ms, p99_ms, speed_up."""
    notes: dict[str, tuple[str, ...]]
    """What has to be said about a field, by the field's name: why it is None, or what limits it."""


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """The times of a row, as quantiles that a curve can be drawn through."""

    row: RowName
    fractions: tuple[float, ...]
    """Ascending, from 0 (the least) to 1 (the greatest)."""
    ms: tuple[float, ...]


class RunTrace(msgspec.Struct, frozen=True, kw_only=True):
    """How one run went over its time."""

    row: RowName
    run_id: str
    device_id: str
    started_at: str
    state: str
    moments: tuple[Moment, ...]


class SampleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one row answered to the sample question."""

    row: RowName
    text: str
    exact_match: bool | None
    """None where the row's accuracy is withheld."""


class SampleQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question that was asked, with what everybody answered."""

    question_id: str
    title: str
    context: str
    question: str
    golds: tuple[str, ...]
    answers: tuple[SampleAnswer, ...]


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """A question file that was added, and its characteristics."""

    name: str
    questions_sha256: str
    questions: int
    articles: int
    passages: int
    golds: int
    context_words: float
    """Mean."""
    longest_context_words: int
    question_words: float
    """Mean."""
    gold_words: float | None
    """Mean over the gold answers."""
    asked_with: dict[str, int]
    """Questions by the first English question word in them; `other` without one."""
    sample: SampleQuestion | None
    """The one on which the models disagree most, the first of these in order of question id."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a row's numbers come from."""

    row: RowName
    bundle_sha256: str
    model_sha256: str
    weights_source: str
    weights_revision: str | None
    licence: str | None
    training_data: str | None
    training_articles: int
    """How many articles the manifest lists as trained on."""
    recipe: str
    """JSON."""
    tools: dict[str, str]
    runs: tuple[str, ...]
    """Run ids."""
    devices: tuple[str, ...]
    """Device ids."""
    device_model: str
    cpu_model: str
    cpu_flags: tuple[str, ...]
    versions: dict[str, str]
    """Of the programs on the device."""
    settings: str
    """JSON."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a report shows. Encoded as JSON it is the `json` format."""

    format: str = "distilbench-comparison"
    version: int = 2
    generated_at: str
    collector_id: str
    baseline: str
    bertscore: BertScoreModel | None
    rows: tuple[Row, ...]
    distributions: tuple[Distribution, ...]
    traces: tuple[RunTrace, ...]
    scenarios: tuple[ScenarioRun, ...]
    differences: tuple[Difference, ...]
    gates: tuple[Gate, ...]
    divergences: tuple[Divergence, ...]
    splits: tuple[TimeSplit, ...]
    requirement: Requirement | None
    questions: tuple[Questions, ...]
    provenance: tuple[Provenance, ...]
    remarks: tuple[str, ...]
    """What has to be said about the whole."""

    @property
    def entries(self) -> tuple[Row | ScenarioRun, ...]:
        """The rows, and behind them the runs of other scenarios."""
        return (*self.rows, *self.scenarios)
