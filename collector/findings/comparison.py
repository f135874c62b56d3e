"""The comparison that every report shows. Encoded as JSON, it is the report's format `json`.

Every interval covers 95 %.
"""

import msgspec

from collector.findings.accuracy import Difference, Drawn, Gate, Label
from collector.findings.between_rows import (
    Divergence,
    Interval,
    Moment,
    Place,
    PlaceBaseline,
    Requirement,
    RowName,
    RunEnds,
    TimeSplit,
    Unit,
)
from collector.findings.canaries import CanaryCheck
from collector.findings.relative import Relative
from collector.findings.scenario_run import ScenarioRun
from collector.findings.taken_over import TakenOver


class BertScoreModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model that computed the BERTScores of a comparison."""

    model: str
    layers: int
    """The layer whose output is compared, counted from 1."""
    hash: str
    """Identifies everything that the scores depend on; scores with different hashes are not comparable."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one model in one precision on one machine type and one question file.

    A row of imported predictions has an accuracy but no measurements; its `weights_origin` is `predictions`.
    """

    hardware_class: str
    machine: str
    """Type of the machine: devices of one type are units of it."""
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
    """Size of all files of the bundle."""
    weights_origin: str
    """`hub`, `local`, `adapter`, `random` or `predictions`."""
    runs: int
    """How many runs the row sums up."""
    devices: int
    """How many devices made these runs. Times are medians over the devices: each device counts once."""
    answered: int
    """How many questions were answered without error."""
    selected: int
    """How many questions were to be asked: the most of one run, or all that the runs asked together."""
    partial: bool
    """Whether no run of the row is complete."""
    errors: int
    """How many answers are errors, which count as wrong and have no time."""
    exact_match: float | None
    """Exact Match in percent, over the questions that were answered or ended in an error. If `taken_over` is
    given, an estimate over all questions of the file instead; so are `f1` and `bertscore_f1`."""
    f1: float | None
    """Token F1 in percent, over the same questions as `exact_match`."""
    bertscore_f1: float | None
    """BERTScore F1, 0 to 1, over the same questions; not rescaled unless the BERTScore hash says so."""
    p50_ms: float | None
    """Median time per question, over the answers whose time counts."""
    p90_ms: float | None
    """90th percentile of the same times."""
    p99_ms: float | None
    """99th percentile of the same times."""
    questions_per_second: float | None
    """Questions per second, one after the other: the inverse of the mean time."""
    p50_devices_ms: Interval | None
    """`p50_ms` of the fastest and of the slowest device; None if there is only one device."""
    timed: int
    """How many answers have a time that counts."""
    untimed: int
    """How many answers have no time that counts, because they are marked as disturbed or are errors."""
    marks: dict[str, int]
    """How many answers each kind of disturbance marked; one answer may have several marks."""
    throttled: int
    """How many answers are marked because the processor was throttled, capped or short of voltage."""
    times_of: str | None
    """What the intervals of the percentiles are about, besides questions like these: `machine type`, `these
    devices`, `this device` or `one run`; None without times."""
    speed_up: float | None
    """Time of the baseline of the place divided by that of this row: the geometric mean over the devices and
    the questions of both. If they took turns on a device, only questions of common rounds count."""
    speed_up_questions: int
    """How many questions `speed_up` is based on."""
    speed_up_rounds: int
    """How many rounds it is based on, the sum over the devices; one per device at different times."""
    speed_up_of: str | None
    """What its interval is about: as `times_of`, or `different times` if the rows did not take turns."""
    speed_up_devices: Interval | None
    """The lowest and the highest speed-up of a device; None if there is only one device."""
    speed_up_p_value: float | None
    """Student's t over rounds or devices, two-sided, adjusted by Holm's method for all rows of the place that
    are compared with the baseline. None if there is no test."""
    speed_up_significant: bool | None
    """Whether `speed_up_p_value` is below 0.05 and the interval leaves out 1; None if there is no test."""
    f1_per_ms: float | None
    """F1 in percent divided by `p50_ms`."""
    joules_per_question: float | None
    """Joules per answer, including idle power."""
    joules_per_correct: float | None
    """Joules per exactly matching answer, including idle power."""
    energy_source: str | None
    """The meter that measured the energy."""
    load_ms: float | None
    """Time to load the bundle, median over the runs."""
    first_ms: float | None
    """Time of the first question of a fresh process, median over the runs."""
    peak_rss_bytes: int | None
    """Highest resident memory of the process that answered, over the runs."""
    temperature_celsius: float | None
    """Highest temperature of any sample."""
    small: bool
    """Whether another row of the place answered more than twice as many questions, and no accuracy was taken
    over: then this row has no label and no gate, is not on the Pareto front, and takes no part in a choice by
    requirement."""
    pareto: bool
    """Whether the row is on the Pareto front of its place: no row is shown to be both faster and more
    accurate."""
    best_for: tuple[str, ...]
    """`high accuracy`, `real time`, `low resource` or `balance`. Rows that the data cannot tell apart share
    a label."""
    taken_over: TakenOver | None
    """Where the row's accuracy was taken over from; None if it was measured here, or if there is none."""
    drawn: Drawn | None
    """What the intervals of the row's accuracy take as drawn at random; None without an accuracy."""
    intervals: dict[str, Interval]
    """Intervals by field name, as far as known: exact_match, f1, bertscore_f1, p50_ms, p90_ms, p99_ms,
    speed_up."""
    notes: dict[str, tuple[str, ...]]
    """Notes by field name: why the field is None, or what limits it."""


def name_of(row: Row) -> RowName:
    """Return the name of a row."""
    return RowName(
        hardware_class=row.hardware_class,
        machine=row.machine,
        questions_sha256=row.questions_sha256,
        model=row.model,
        precision=row.precision,
    )


def place_of(row: Row) -> Place:
    """Return the place of a row, within which it may be compared."""
    return Place(
        hardware_class=row.hardware_class,
        machine=row.machine,
        questions=row.questions,
        questions_sha256=row.questions_sha256,
    )


def place_key(found: Place | RowName | Row | ScenarioRun) -> tuple[str, str, str]:
    """Return what identifies a place: hardware class, machine type and digest of the question file."""
    return found.hardware_class, found.machine, found.questions_sha256


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution of a row's times, as quantiles to draw a curve through."""

    row: RowName
    fractions: tuple[float, ...]
    """Fractions in ascending order, from 0 (the shortest time) to 1 (the longest)."""
    ms: tuple[float, ...]
    """The time at each fraction."""


class RunTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The course of one run over its duration.

    A row has at most 20 traces: that of its newest run, then those of the runs that were throttled, drifted,
    wandered, had many outliers or are not complete, then the others, each of them from the newest on.
    """

    row: RowName
    run_id: str
    device_id: str
    started_at: str
    state: str
    ends: RunEnds | None
    """The times at the end of the run, compared with those at its start; None with fewer than 60 answers."""
    moments: tuple[Moment, ...]


class NotShown(msgspec.Struct, frozen=True, kw_only=True):
    """How much a report leaves out of what is known of a row with many runs or devices.

    The row's numbers are of all its runs and devices.
    """

    row: RowName
    traces: int
    """How many of its runs have no trace."""
    units: int
    """How many of its devices are not among the `units`."""
    scenarios: int
    """How many older runs of other scenarios than single-stream are not among the `scenarios`."""


class SampleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one row to the sample question."""

    row: RowName
    text: str
    exact_match: bool | None
    """Whether it matches a gold answer exactly; None if accuracy is withheld or there is no gold answer."""


class SampleQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question of a question file, with the answer of each row."""

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
    """How many questions the file has."""
    articles: int
    """How many articles the questions are about."""
    passages: int
    """How many contexts the file has."""
    golds: int
    """How many gold answers the file has."""
    context_words: float
    """Mean number of words of a context."""
    longest_context_words: int
    """Number of words of the longest context."""
    question_words: float
    """Mean number of words of a question."""
    gold_words: float | None
    """Mean number of words of a gold answer; None without gold answers."""
    asked_with: dict[str, int]
    """How many questions have each English question word as their first one; `other` counts those without."""
    sample: SampleQuestion | None
    """A question on which the models disagree most; None if there is nothing to show."""


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
    """How many articles the manifest lists as training data."""
    recipe: str
    """The bundle's recipe as JSON."""
    tools: dict[str, str]
    """The versions of the tools that built the bundle."""
    runs: tuple[str, ...]
    """The ids of the row's runs: the newest 100 of them."""
    more_runs: int
    """How many older runs the row has."""
    devices: tuple[str, ...]
    """The ids of the devices that made the row's runs: the first 100 of them, in order of name."""
    more_devices: int
    """How many other devices the row has."""
    device_model: str
    """The models of all of the row's devices."""
    cpu_model: str
    """The processors of all of the row's devices."""
    cpu_flags: tuple[str, ...]
    versions: dict[str, str]
    """The versions of the programs on the device."""
    settings: str
    """The settings of the newest run as JSON."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a report shows. Encoded as JSON it is the `json` format."""

    format: str = "distilbench-comparison"
    version: int = 3
    generated_at: str
    collector_id: str
    baseline: str
    """The name of the chosen baseline."""
    baselines: tuple[PlaceBaseline, ...]
    """The baseline of each place, which is another one where the chosen one was not measured."""
    bertscore: BertScoreModel | None
    rows: tuple[Row, ...]
    labels: tuple[Label, ...]
    distributions: tuple[Distribution, ...]
    traces: tuple[RunTrace, ...]
    scenarios: tuple[ScenarioRun, ...]
    """The runs of other scenarios than single-stream: of each model on each machine type, the newest 20 of a
    scenario."""
    relatives: tuple[Relative, ...]
    """Each row that has an accuracy, compared with its teacher or with what stands in for one."""
    differences: tuple[Difference, ...]
    gates: tuple[Gate, ...]
    divergences: tuple[Divergence, ...]
    units: tuple[Unit, ...]
    """Of each machine type and question file, the 20 devices that differ most from the others."""
    splits: tuple[TimeSplit, ...]
    requirement: Requirement | None
    questions: tuple[Questions, ...]
    provenance: tuple[Provenance, ...]
    canaries: tuple[CanaryCheck, ...]
    """The canaries of at most 100 runs that were asked some: the newest of those of which an answer differs,
    then the newest of the others."""
    more_canaries: int
    """How many other runs were asked canaries."""
    not_shown: tuple[NotShown, ...]
    """What is left out of each row that has many runs or devices. Rows of which nothing is left out are not
    listed."""
    remarks: tuple[str, ...]
    """Notes on the whole comparison."""

    @property
    def entries(self) -> tuple[Row | ScenarioRun, ...]:
        """The rows, followed by the runs of other scenarios."""
        return (*self.rows, *self.scenarios)
