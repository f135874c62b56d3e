"""The details of one run: its measurements, telemetry and settings, and its slowest and worst answers."""

from statistics import median
from typing import Final

import msgspec
import numpy as np

from collector.findings.canaries import CanaryCheck
from collector.scoring.withholding import NOT_SCORED
from collector.store.database import Store
from collector.store.runs import Run, all_runs, find_run
from collector.summaries.articles import Articles
from collector.summaries.canaries import canary_checks
from collector.summaries.measured import Estimate, Measured, measured
from collector.summaries.run_summary import Derived
from collector.summaries.timeline import Timeline
from contract.bundle import Manifest
from contract.device import Device
from contract.records import Outcome, Settings, ThreadTrial

SHOWN: Final = 5
"""How many of the slowest and of the worst answers are shown."""


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """The times of the answers whose time counts, in milliseconds; those of the parts are medians."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    tokenize_p50_ms: float
    infer_p50_ms: float
    decode_p50_ms: float


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """The readings of the machine during a run. None for what the machine cannot read."""

    samples: int
    first_celsius: float | None
    highest_celsius: float | None
    lowest_clock_mhz: float | None
    highest_clock_mhz: float | None
    throttled_samples: int
    energy_joules: float | None
    """Energy of the rounds up to the last reading of the meter in each; as in `timeline.Timeline`."""
    energy_answers: int
    """How many answers that energy was used for."""


class StandsOut(msgspec.Struct, frozen=True, kw_only=True):
    """One of the slowest or the worst answers."""

    question_id: str
    question: str | None
    """The question's text; None if the question file was not added."""
    ms: float
    tokens: int
    windows: int
    marks: str | None
    text: str
    gold: str | None
    confidence: float
    f1: float | None
    error: str | None


class RunDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `collector show` prints; encoded as JSON, its output with `--json`."""

    run_id: str
    device_id: str
    questions: str
    state: str
    reason: str | None
    started_at: str
    elapsed_seconds: float | None
    load_ms: float | None
    first_ms: float | None
    peak_rss_bytes: int | None
    energy_source: str | None
    answers: int
    asked: int
    errors: int
    marks: dict[str, int]
    """How many answers each kind of disturbance marked; their times do not count."""
    exact_match: float | None
    """Exact Match in percent, mean over the questions."""
    f1: float | None
    """Token F1 in percent, mean over the questions."""
    accuracy_withheld: str | None
    """Why there is no accuracy; None if there is one."""
    times: Times | None
    telemetry: Telemetry
    remarks: tuple[str, ...]
    """What the agent remarked about the machine before the run."""
    canaries: CanaryCheck | None
    """The canaries, compared with another device; None if there were none."""
    settings: Settings
    outcome: Outcome | None
    """The result of the run's scenario."""
    thread_trials: tuple[ThreadTrial, ...]
    device: Device
    bundle_sha256: str
    bundle: Manifest
    slowest: tuple[StandsOut, ...]
    worst: tuple[StandsOut, ...]
    """The answers with the lowest F1, in order of F1, then of confidence, the highest first."""


def run_detail(store: Store, beginning: str) -> RunDetail:
    """Read the details of the run whose id starts with `beginning`.

    Raises:
        BadInput: no run, or several runs, have such an id.
    """
    with store.reading():
        run = find_run(store, beginning)
        derived = Derived(store)
        columns, timeline = derived.columns(run), derived.summary(run).timeline
        clusters = Articles(store).clusters(run.questions_sha256, np.unique(columns.question))
        values = measured(columns, clusters)
        withheld = derived.sets.withheld(run)
        finish = next(store.rows("SELECT * FROM finishes WHERE stream = ?", run.stream), {})
        if withheld is None and run.answers and values.exact_match is None:
            withheld = NOT_SCORED
        return RunDetail(
            run_id=run.run_id,
            device_id=run.device_id,
            questions=run.questions_name,
            state=run.state,
            reason=run.explanation,
            started_at=run.started_at,
            elapsed_seconds=_scaled(finish.get("elapsed_ns"), 1e9),
            load_ms=_scaled(run.load_ns, 1e6),
            first_ms=_scaled(run.first_ns, 1e6),
            peak_rss_bytes=run.peak_rss_bytes,
            energy_source=finish.get("energy_source"),
            answers=run.answers,
            asked=run.questions_selected,
            errors=values.errors,
            marks=timeline.marks,
            exact_match=None if withheld else _percent(values.exact_match),
            f1=None if withheld else _percent(values.f1),
            accuracy_withheld=withheld,
            times=_times(store, run.stream, values),
            telemetry=_telemetry(store, run.stream, timeline),
            remarks=run.remarks,
            canaries=_canaries(store, run),
            settings=run.settings,
            outcome=run.outcome,
            thread_trials=run.thread_trials,
            device=run.device,
            bundle_sha256=run.bundle_sha256,
            bundle=run.bundle,
            slowest=_standing_out(store, run.stream, "error IS NULL", "ms DESC"),
            worst=()
            if withheld
            else _standing_out(store, run.stream, "scores.f1 < 1", "f1, confidence DESC"),
        )


def _canaries(store: Store, run: Run) -> CanaryCheck | None:
    if not store.value("SELECT EXISTS (SELECT 1 FROM canaries WHERE stream = ?)", run.stream):
        return None
    return next(canary_checks(store, [run], all_runs(store)))


def _times(store: Store, stream: int, values: Measured) -> Times | None:
    if not values.timed:
        return None
    parts = store.tuples(
        "SELECT tokenize_ns, infer_ns, decode_ns FROM answers "
        "WHERE stream = ? AND marks IS NULL AND error IS NULL",
        stream,
    )
    tokenize, infer, decode = zip(*parts, strict=True)
    whole = {name: estimate.value / 1e6 for name, estimate in values.percentiles_ns.items()}
    return Times(
        count=values.timed,
        p50_ms=whole["p50"],
        p90_ms=whole["p90"],
        p99_ms=whole["p99"],
        tokenize_p50_ms=median(tokenize) / 1e6,
        infer_p50_ms=median(infer) / 1e6,
        decode_p50_ms=median(decode) / 1e6,
    )


def _telemetry(store: Store, stream: int, timeline: Timeline) -> Telemetry:
    row = next(
        store.rows(
            "SELECT count(*) AS samples, min(clock_hz) / 1e6 AS lowest_clock_mhz, "
            "max(clock_hz) / 1e6 AS highest_clock_mhz, count(throttle) AS throttled_samples, "
            "(SELECT temperature_celsius FROM samples WHERE stream = ?1 AND temperature_celsius IS NOT NULL "
            "ORDER BY seq LIMIT 1) AS first_celsius FROM samples WHERE stream = ?1",
            stream,
        )
    )
    return Telemetry(
        **row,
        highest_celsius=timeline.temperature_celsius,
        energy_joules=timeline.joules,
        energy_answers=timeline.joules_answers,
    )


def _standing_out(store: Store, stream: int, which: str, order: str) -> tuple[StandsOut, ...]:
    rows = store.rows(
        "SELECT answers.question_id, questions.question, "  # noqa: S608  # our own words
        "(tokenize_ns + infer_ns + decode_ns) / 1e6 AS ms, tokens, windows, marks, answers.text, "
        "golds.text AS gold, confidence, scores.f1, error "
        "FROM answers JOIN runs USING (stream) LEFT JOIN scores USING (stream, seq) "
        "LEFT JOIN question_sets ON question_sets.sha256 = runs.questions_sha256 "
        "LEFT JOIN questions ON questions.question_set = question_sets.question_set "
        "AND questions.question_id = answers.question_id "
        "LEFT JOIN golds ON golds.question_set = question_sets.question_set "
        "AND golds.question_id = answers.question_id AND golds.position = 0 "
        f"WHERE stream = ? AND {which} ORDER BY {order}, seq LIMIT {SHOWN}",
        stream,
    )
    return tuple(StandsOut(**row) for row in rows)


def _percent(share: Estimate | None) -> float | None:
    return None if share is None else 100 * share.value


def _scaled(value: int | None, by: float) -> float | None:
    return None if value is None else value / by
