"""Sums up the runs of scenarios other than single-stream, which are never in a row of the comparison."""

from collections import defaultdict
from typing import Final

from collector.comparison.notes import other_times, why_no_accuracy
from collector.comparison.row import joules_per_question
from collector.comparison.run_notes import start_remarks
from collector.comparison_inputs.between_commands import CommandSpread
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.loaded import LoadedRun
from collector.comparison_inputs.tasks.speed import Gain
from collector.findings.between_rows import Interval
from collector.findings.scenario_run import FOUND, Rate, ScenarioRun
from collector.statistics.percentiles import widened
from collector.statistics.timing.rounds import LogEstimate
from commandline.counted import counted
from commandline.outcome_text import (
    left_out_line,
    loadgen_p90_ns,
    loadgen_valid,
    lowest_undecided,
    no_rate_line,
    undecided_line,
    verdict_on,
)
from contract.records import Outcome, RateTrial
from contract.scenarios import LOADGEN, OFFLINE, SERVER, SUSTAINED

NO_OUTCOME: Final = "the run recorded no outcome"
NO_ROW: Final = (
    "no single-stream run of this device has times of the same questions with the same bundle and settings"
)
NO_ENDS: Final = "the run has fewer than 60 answers without error: too few to compare its ends"


def scenario_run(loaded: LoadedRun, spread: CommandSpread | None) -> ScenarioRun:
    """Sum up one run of another scenario.

    Args:
        loaded: the run.
        spread: how much times differ between commands on this hardware; None if that is not known.
    """
    group = loaded.group
    run, values, timeline = group.run, group.measured, group.timelines[0]
    settings, outcome = run.settings, run.outcome or Outcome()
    scenario = settings.scenario
    notes = _notes(group, outcome)
    accuracy = {
        field: estimate
        for field, estimate in (("exact_match", values.exact_match), ("f1", values.f1))
        if estimate is not None
    }
    times = _times(loaded, outcome)
    at = _recorded_rate(outcome)
    ends = timeline.ends if scenario == SUSTAINED else None
    if scenario == SUSTAINED and ends is None:
        notes["last_over_first"].append(NO_ENDS)
    gain = loaded.gain
    if scenario == OFFLINE:  # the questions one by one are always of another command
        notes["times_one_by_one"].append(NO_ROW if gain is None else other_times(spread))
    clocks = [moment.clock_hz for moment in timeline.moments if moment.clock_hz is not None]
    return ScenarioRun(
        scenario=scenario,
        hardware_class=run.device.hardware_class,
        machine=group.name.machine,
        questions=run.questions_name,
        questions_sha256=run.questions_sha256,
        model=run.bundle.model,
        title=run.bundle.title,
        precision=run.bundle.precision,
        weights_origin=run.bundle.weights.origin,
        bundle_sha256=run.bundle_sha256,
        run_id=run.run_id,
        device_id=run.device_id,
        started_at=run.started_at,
        state=run.state,
        threads=settings.threads,
        elapsed_seconds=None if run.elapsed_ns is None else run.elapsed_ns / 1e9,
        answers=run.answers,
        answered=values.answered,
        selected=run.questions_selected,
        errors=values.errors,
        exact_match=100 * accuracy["exact_match"].value if "exact_match" in accuracy else None,
        f1=100 * accuracy["f1"].value if "f1" in accuracy else None,
        p50_ms=times.get("p50_ms"),
        p90_ms=times.get("p90_ms"),
        p99_ms=times.get("p99_ms"),
        p99_bound_ms=None if at is None else _ms(at.bound_ns),
        batch_size=settings.batch_size if scenario == OFFLINE else None,
        questions_per_second=outcome.questions_per_second,
        times_one_by_one=None if gain is None else gain.ratio,
        gain_questions=0 if gain is None else gain.questions,
        latency_bound_ms=_ms(settings.latency_bound_ns) if scenario == SERVER else None,
        valid_per_second=outcome.valid_qps,
        at_per_second=None if at is None else at.qps,
        rates=tuple(map(_rate, outcome.rates)),
        first_p50_ms=None if ends is None else ends.first_p50_ms,
        last_p50_ms=None if ends is None else ends.last_p50_ms,
        last_over_first=None if ends is None else ends.ratio,
        end_answers=0 if ends is None else ends.answers,
        slowed_down_after_seconds=_slowed_down_after(loaded) if scenario == SUSTAINED else None,
        lowest_clock_hz=min(clocks, default=None),
        temperature_celsius=timeline.temperature_celsius,
        joules_per_question=joules_per_question(group),
        energy_source=run.energy_source,
        loadgen_p90_ms=_ms(loadgen_p90_ns(outcome)),
        loadgen_valid=loadgen_valid(outcome),
        loadgen=outcome.loadgen,
        left_out=outcome.left_out,
        moments=timeline.moments if scenario == SUSTAINED else (),
        drawn=values.drawn,
        intervals={
            **{
                field: (100 * estimate.interval[0], 100 * estimate.interval[1])
                for field, estimate in accuracy.items()
                if estimate.interval is not None
            },
            **_gain_interval(gain, spread),
            **({} if ends is None else {"last_over_first": ends.interval}),
        },
        notes={field: tuple(sentences) for field, sentences in notes.items()},
    )


def _gain_interval(gain: Gain | None, spread: CommandSpread | None) -> dict[str, Interval]:
    """Widen the interval of a gain by what changes between commands; without knowing that, there is none."""
    if gain is None or spread is None:
        return {}
    known = spread.spread
    reach = LogEstimate(0.0, 2 * known.variance, known.freedom).reach
    return {"times_one_by_one": widened(gain.interval, gain.ratio, reach)}


def _notes(group: Group, outcome: Outcome) -> defaultdict[str, list[str]]:
    run = group.run
    notes: defaultdict[str, list[str]] = defaultdict(list)
    found = FOUND.get(run.settings.scenario, "answers")
    if run.outcome is None:
        notes[found].append(NO_OUTCOME)
    if run.state != "complete":
        why = run.explanation
        notes["state"].append(f"the run is {run.state}: {why}" if why else f"the run is {run.state}")
    if outcome.left_out:
        notes[found].append(left_out_line(outcome.left_out))
    if outcome.rates and outcome.valid_qps is None:
        notes["valid_per_second"].append(no_rate_line(run.settings))
    if (undecided := lowest_undecided(outcome)) is not None:
        notes["valid_per_second"].append(undecided_line(run.settings, undecided))
    if run.settings.scenario == LOADGEN and group.measured.marked:
        notes["p50_ms"].append(
            f"LoadGen counts {counted(group.measured.marked, 'disturbed answer')} that the agent's times "
            "leave out"
        )
    if group.measured.errors:
        notes["answers"].append(
            counted(
                group.measured.errors,
                "answer is an error; it counts as wrong",
                "answers are errors; they count as wrong",
            )
        )
    if remarks := start_remarks([run]):
        notes[found] += remarks
    reason = why_no_accuracy(group)
    if reason is not None:
        notes["exact_match"].append(reason)
        notes["f1"].append(reason)
    return notes


def _times(loaded: LoadedRun, outcome: Outcome) -> dict[str, float]:
    group = loaded.group
    scenario = group.run.settings.scenario
    if scenario == SERVER:
        at = _recorded_rate(outcome)
        return {} if at is None else {"p50_ms": at.p50_ns / 1e6, "p99_ms": at.p99_ns / 1e6}
    if scenario == SUSTAINED:
        return {f"{name}_ms": ns / 1e6 for name, ns in loaded.endured_ns.items()}
    if scenario == OFFLINE:
        return {}
    return {f"{name}_ms": found.value / 1e6 for name, found in group.measured.percentiles_ns.items()}


def _recorded_rate(outcome: Outcome) -> RateTrial | None:
    held = [trial for trial in outcome.rates if trial.qps == outcome.valid_qps]
    return held[-1] if held else outcome.rates[-1] if outcome.rates else None


def _rate(trial: RateTrial) -> Rate:
    return Rate(
        per_second=trial.qps,
        answers=trial.queries,
        dropped=trial.dropped,
        p50_ms=trial.p50_ns / 1e6,
        p99_ms=trial.p99_ns / 1e6,
        p99_bound_ms=_ms(trial.bound_ns),
        load=trial.load,
        held=trial.held,
        undecided=trial.undecided,
        verdict=verdict_on(trial),
    )


def _slowed_down_after(loaded: LoadedRun) -> float | None:
    # An interrupted agent records only the time since the interruption, but the samples cover the whole run.
    outcome = loaded.group.run.outcome
    recorded_ns = None if outcome is None else outcome.throttled_after_ns
    known = [ns for ns in (loaded.throttled_at_ns, recorded_ns) if ns is not None]
    return min(known) / 1e9 if known else None


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6
