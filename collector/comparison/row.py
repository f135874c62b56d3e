"""Makes one row of a comparison, with notes on the numbers that are missing or limited."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final, NamedTuple, Self

from collector.comparison.accuracy.taken_over import described
from collector.comparison.accuracy.taken_over import notes as notes_on_taking_over
from collector.comparison.devices import spread_notes, units
from collector.comparison.notes import (
    FROM_ELSEWHERE,
    NO_BERTSCORE,
    NO_ENERGY,
    NO_ENERGY_IN_TURNS,
    NO_PEAK,
    metered_by,
    not_compared,
    notes_of,
    speed_up_notes,
)
from collector.comparison.times import Percentiles, SpeedUp, percentiles
from collector.comparison_inputs.baseline import Baselines
from collector.comparison_inputs.between_commands import CommandSpread
from collector.comparison_inputs.groups import Entrant, Group
from collector.findings.accuracy import Drawn
from collector.findings.between_rows import Interval
from collector.findings.comparison import Row
from collector.scoring.withholding import NOT_SCORED
from collector.statistics.timing.spread import Spread
from collector.summaries.measured import Estimate

_NOTHING_MEASURED: Final[dict[str, Any]] = {
    **dict.fromkeys(("runs", "devices", "errors", "timed", "untimed", "throttled"), 0),
    **dict.fromkeys(("speed_up_questions", "speed_up_rounds"), 0),
    **dict.fromkeys(("times_of", "speed_up_of", "speed_up_devices"), None),
    **dict.fromkeys(("speed_up_p_value", "speed_up_significant"), None),
    **dict.fromkeys(("parameters", "layers", "size_bytes"), None),
    **dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "questions_per_second", "speed_up", "f1_per_ms"), None),
    "p50_devices_ms": None,
    **dict.fromkeys(("joules_per_question", "joules_per_correct", "energy_source"), None),
    **dict.fromkeys(("load_ms", "first_ms", "peak_rss_bytes", "temperature_celsius", "taken_over"), None),
}
"""The values of the measured fields in a row that was not measured on any hardware."""


class Scores(NamedTuple):
    """The mean scores of a row, its own or those taken over."""

    exact_match: Estimate | None
    f1: Estimate | None
    bertscore_f1: Estimate | None
    drawn: Drawn | None

    @classmethod
    def of(cls, entrant: Entrant) -> Self:
        """Return those on all questions if they were taken over, and otherwise those of the row's answers."""
        found = entrant.inherited or entrant.measured
        drawn = entrant.measured.drawn if entrant.inherited is None else entrant.inherited.measured.drawn
        return cls(found.exact_match, found.f1, found.bertscore_f1, drawn)


def make_row(
    group: Group,
    baselines: Baselines,
    faster: SpeedUp | None,
    *,
    fp32: Group | None = None,
    spread: CommandSpread | None = None,
    rounds: Spread | None = None,
    scorer: bool,
) -> Row:
    """Make the row of a group.

    Args:
        group: the runs.
        baselines: the baselines of the comparison.
        faster: the speed-up over the baseline; None if there is none.
        fp32: the fp32 runs of the same model in the same place; None if there are none.
        spread: how much times differ between commands on this hardware; None if that is not known.
        rounds: how much times vary between rounds on this hardware; None if that is not known.
        scorer: whether BERTScores were ever computed.
    """
    run, values = group.run, group.measured
    apart = units(group)
    of_units = [unit.p50_ms for unit in apart]
    bundle = run.bundle
    peak = max((r.peak_rss_bytes or 0 for r in group.runs), default=0) or None
    joules = joules_per_question(group)
    times = percentiles(group, rounds)
    p50_ns = times.values_ns.get("p50")
    source = next((r.energy_source for r in group.runs if r.energy_source is not None), None)
    notes = notes_of(group, times, scorer=scorer)
    others = dict.fromkeys(other for other in (baselines.of(group), fp32) if other is not None)
    unlike = tuple(not_compared(group, others))
    if unlike and values.f1 is not None:
        notes["f1"] = (*notes.get("f1", ()), *unlike)
    differing = spread_notes(apart)
    if differing:
        notes["p50_ms"] = (*differing, *notes.get("p50_ms", ()))
    notes |= speed_up_notes(group, baselines, faster, spread)
    if peak is None:
        notes["peak_rss_bytes"] = (NO_PEAK,)
    notes["joules_per_question"] = (_no_energy(group) if joules is None else metered_by(source),)
    taken_over = None if group.inherited is None else described(group, group.inherited)
    if taken_over is not None:
        for field, texts in notes_on_taking_over(taken_over, scorer=scorer).items():
            notes[field] = (*texts, *notes.get(field, ()))
    scores = Scores.of(group)
    right = None if scores.exact_match is None else scores.exact_match.value
    return Row(
        hardware_class=run.device.hardware_class,
        machine=group.name.machine,
        questions=run.questions_name,
        questions_sha256=run.questions_sha256,
        model=bundle.model,
        title=bundle.title,
        precision=bundle.precision,
        distillation=bundle.distillation,
        parameters=bundle.parameters,
        layers=bundle.architecture.layers,
        size_bytes=sum(entry.bytes for entry in bundle.files.values()),
        weights_origin=bundle.weights.origin,
        runs=len(group.runs),
        devices=len({r.device_id for r in group.runs}),
        answered=values.answered,
        selected=max(values.asked, *(r.questions_selected for r in group.runs)),
        partial=group.partial,
        errors=values.errors,
        exact_match=_percent(scores.exact_match),
        f1=_percent(scores.f1),
        bertscore_f1=None if scores.bertscore_f1 is None else scores.bertscore_f1.value,
        p50_ms=_milliseconds(times, "p50"),
        p90_ms=_milliseconds(times, "p90"),
        p99_ms=_milliseconds(times, "p99"),
        questions_per_second=None if not values.mean_ns else 1e9 / values.mean_ns,
        p50_devices_ms=(min(of_units), max(of_units)) if len(of_units) > 1 else None,
        timed=values.timed,
        untimed=values.marked + values.errors,
        marks=dict(sum((Counter(timeline.marks) for timeline in group.timelines), Counter())),
        throttled=group.throttled,
        times_of=times.scope,
        speed_up=None if faster is None else faster.times.ratio,
        speed_up_questions=0 if faster is None else faster.questions,
        speed_up_rounds=0 if faster is None else faster.times.rounds,
        speed_up_of=None if faster is None else faster.times.scope,
        speed_up_devices=None if faster is None else faster.times.of_devices,
        speed_up_p_value=None if faster is None else faster.adjusted_p_value,
        speed_up_significant=None if faster is None else faster.significant,
        f1_per_ms=100 * scores.f1.value / (p50_ns / 1e6) if scores.f1 is not None and p50_ns else None,
        joules_per_question=joules,
        joules_per_correct=joules / right if joules is not None and right else None,
        energy_source=source,
        load_ms=_median_ms(r.load_ns for r in group.runs),
        first_ms=_median_ms(r.first_ns for r in group.runs),
        peak_rss_bytes=peak,
        temperature_celsius=max(
            (c.temperature_celsius for c in group.timelines if c.temperature_celsius is not None),
            default=None,
        ),
        small=False,
        pareto=False,
        best_for=(),
        taken_over=taken_over,
        drawn=scores.drawn,
        intervals=_intervals(scores, times, faster),
        notes=notes,
    )


def system_row(system: Entrant, *, scorer: bool) -> Row:
    """Make the row of imported predictions, which has an accuracy but no measurements.

    Args:
        system: the predictions.
        scorer: whether BERTScores were ever computed.
    """
    values = system.measured
    nothing = ("p50_ms", "p90_ms", "p99_ms", "speed_up", "peak_rss_bytes")
    notes: dict[str, tuple[str, ...]] = dict.fromkeys(nothing, (FROM_ELSEWHERE,))
    if values.bertscore_f1 is None:
        notes["bertscore_f1"] = (NOT_SCORED if scorer else NO_BERTSCORE,)
    return Row(
        hardware_class=system.name.hardware_class,
        machine=system.name.machine,
        questions=system.questions,
        questions_sha256=system.name.questions_sha256,
        model=system.name.model,
        title=system.name.model,
        precision=system.name.precision,
        distillation="",
        weights_origin="predictions",
        answered=values.answered,
        selected=values.answered + values.errors,
        partial=False,
        exact_match=_percent(values.exact_match),
        f1=_percent(values.f1),
        bertscore_f1=None if values.bertscore_f1 is None else values.bertscore_f1.value,
        marks={},
        small=False,
        pareto=False,
        best_for=(),
        drawn=values.drawn,
        intervals=_intervals(Scores.of(system), Percentiles(None, {}, {}), None),
        notes=notes,
        **_NOTHING_MEASURED,
    )


def joules_per_question(group: Group) -> float | None:
    """Divide the last readings of the devices' meters by the answers up to these readings."""
    metered = [c for c in group.timelines if c.joules is not None and c.joules_answers]
    answers = sum(timeline.joules_answers for timeline in metered)
    return sum(timeline.joules or 0.0 for timeline in metered) / answers if answers else None


def _percent(share: Estimate | None) -> float | None:
    return None if share is None else 100 * share.value


def _milliseconds(times: Percentiles, name: str) -> float | None:
    found = times.values_ns.get(name)
    return None if found is None else found / 1e6


def _median_ms(durations_ns: Iterable[int | None]) -> float | None:
    known = [ns for ns in durations_ns if ns is not None]
    return median(known) / 1e6 if known else None


def _intervals(values: Scores, times: Percentiles, faster: SpeedUp | None) -> dict[str, Interval]:
    scores: tuple[tuple[str, Estimate | None, float], ...] = (
        ("exact_match", values.exact_match, 100.0),
        ("f1", values.f1, 100.0),
        ("bertscore_f1", values.bertscore_f1, 1.0),
    )
    intervals = {
        field: _scaled(estimate.interval, scale)
        for field, estimate, scale in scores
        if estimate is not None and estimate.interval is not None
    }
    intervals |= {f"{name}_ms": _scaled(interval, 1e-6) for name, interval in times.intervals_ns.items()}
    if faster is not None and faster.times.interval is not None:
        intervals["speed_up"] = faster.times.interval
    return intervals


def _scaled(interval: Sequence[float], scale: float) -> Interval:
    return interval[0] * scale, interval[1] * scale


def _no_energy(group: Group) -> str:
    in_turns = all(run.settings.turns > 1 for run in group.runs)
    return NO_ENERGY_IN_TURNS if in_turns else NO_ENERGY
