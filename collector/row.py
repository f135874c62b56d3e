"""Makes one row of a comparison, with a note for every number that is missing or limited."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from collector.columns import shared
from collector.comparison import Row
from collector.counted import counted
from collector.findings import Interval
from collector.groups import Entrant, Group
from collector.measured import Estimate, Measured
from collector.memory import Memory
from collector.statistics import SLOWER, SpeedUp, is_significant, speed_up, too_many_outliers

NO_TIME: Final = "no answer has a time that counts"
NO_PEAK: Final = "the device does not tell the memory of a process"
NO_ENERGY: Final = "no energy source on the device"
NOT_SCORED: Final = "not every answer is scored: collector score"
NO_BERTSCORE: Final = "BERTScore was not computed: collector score --bertscore-model MODEL --layers N"
NOT_SIGNIFICANT: Final = "not significant: the 95 % interval of the speed-up includes 1"
FROM_ELSEWHERE: Final = "predictions that were added: only their accuracy is known"
FEW_FOR_P90: Final = 64
"""Queries that MLPerf's early stopping asks for behind a p90."""
FEW_FOR_P99: Final = 662
"""The same for a p99."""
_DRIFT: Final = 0.05
_NO_CHANGE: Final = 1.0

Notes = dict[str, list[str]]


def make_row(
    group: Group, baseline: Group | None, baseline_model: str, memory: Memory, *, scorer: bool
) -> Row:
    """Make the row of a group.

    Args:
        group: the runs.
        baseline: the fp32 runs of the baseline in the same place; None where there are none.
        baseline_model: its name.
        memory: of what was computed before.
        scorer: whether BERTScores were ever computed.
    """
    run, values = group.run, group.measured
    bundle = run.bundle
    notes: Notes = defaultdict(list)
    faster = _speed_up(group, baseline, memory)
    peak = max((r.peak_rss_bytes or 0 for r in group.runs), default=0) or None
    joules = joules_per_question(group)
    p50 = values.percentiles_ns.get("p50")
    _note_runs(notes, group)
    _note_accuracy(notes, group, scorer=scorer)
    _note_time(notes, group)
    _note_speed_up(notes, group, baseline, faster, baseline_model)
    if peak is None:
        notes["peak_rss_bytes"].append(NO_PEAK)
    source = next((r.energy_source for r in group.runs if r.energy_source is not None), None)
    notes["joules_per_question"].append(NO_ENERGY if joules is None else _metered_by(source))
    right = None if values.exact_match is None else values.exact_match.value
    return Row(
        hardware_class=run.device.hardware_class,
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
        selected=max(r.questions_selected for r in group.runs),
        errors=values.errors,
        exact_match=_percent(values.exact_match),
        f1=_percent(values.f1),
        bertscore_f1=values.bertscore_f1,
        p50_ms=_milliseconds(values, "p50"),
        p90_ms=_milliseconds(values, "p90"),
        p99_ms=_milliseconds(values, "p99"),
        questions_per_second=None if not values.mean_ns else 1e9 / values.mean_ns,
        timed=values.timed,
        untimed=values.marked + values.errors,
        marks=dict(sum((Counter(course.marks) for course in group.courses), Counter())),
        speed_up=None if faster is None else faster.ratio,
        speed_up_questions=0 if faster is None else faster.questions,
        f1_per_ms=100 * values.f1.value / (p50.value / 1e6)
        if values.f1 is not None and p50 is not None and p50.value
        else None,
        joules_per_question=joules,
        joules_per_correct=joules / right if joules is not None and right else None,
        energy_source=source,
        load_ms=_median_ms(r.load_ns for r in group.runs),
        first_ms=_median_ms(r.first_ns for r in group.runs),
        peak_rss_bytes=peak,
        temperature_celsius=max(
            (c.temperature_celsius for c in group.courses if c.temperature_celsius is not None), default=None
        ),
        pareto=False,
        best_for=(),
        intervals=_intervals(values, faster),
        notes={field: tuple(sentences) for field, sentences in notes.items()},
    )


def system_row(system: Entrant, *, scorer: bool) -> Row:
    """Make the row of predictions from elsewhere: an accuracy, and nothing that is measured.

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
        questions=system.questions,
        questions_sha256=system.name.questions_sha256,
        model=system.name.model,
        title=system.name.model,
        precision=system.name.precision,
        distillation="",
        parameters=None,
        layers=None,
        size_bytes=None,
        weights_origin="predictions",
        runs=0,
        devices=0,
        answered=values.answered,
        selected=values.answered + values.errors,
        errors=0,
        exact_match=_percent(values.exact_match),
        f1=_percent(values.f1),
        bertscore_f1=values.bertscore_f1,
        p50_ms=None,
        p90_ms=None,
        p99_ms=None,
        questions_per_second=None,
        timed=0,
        untimed=0,
        marks={},
        speed_up=None,
        speed_up_questions=0,
        f1_per_ms=None,
        joules_per_question=None,
        joules_per_correct=None,
        energy_source=None,
        load_ms=None,
        first_ms=None,
        peak_rss_bytes=None,
        temperature_celsius=None,
        pareto=False,
        best_for=(),
        intervals=_intervals(values, None),
        notes=notes,
    )


def _speed_up(group: Group, baseline: Group | None, memory: Memory) -> SpeedUp | None:
    if baseline is None:
        return None

    def compute() -> SpeedUp | None:
        return speed_up(*shared(baseline.question_ns, group.question_ns))

    digests = (*baseline.digests, "over", *group.digests)
    return memory.recall("speed_up", digests, SpeedUp | None, compute)


def joules_per_question(group: Group) -> float | None:
    """Joules of the devices' meters over the answers between their first and last reading."""
    metered = [c for c in group.courses if c.joules is not None and c.joules_answers]
    answers = sum(course.joules_answers for course in metered)
    return sum(course.joules or 0.0 for course in metered) / answers if answers else None


def why_no_accuracy(group: Group) -> str | None:
    """A sentence, where there is no EM and no F1."""
    return None if group.measured.exact_match is not None else group.withheld or _unscored(group)


def _metered_by(source: str | None) -> str:
    return f"by {source or 'an unnamed meter'}: what it measures is in it, idle power too"


def _note_runs(notes: Notes, group: Group) -> None:
    if group.left_out:
        notes["title"].append(
            counted(
                group.left_out,
                "earlier run with another bundle or other settings is left out",
                "earlier runs with another bundle or other settings are left out",
            )
        )
    for run in group.runs:
        if run.state == "complete":
            continue
        answers = counted(run.answers, "answer")
        answered = f"run {run.run_id[:8]} of {run.device_id} is {run.state} after {answers}"
        notes["answered"].append(f"{answered}: {run.reason}" if run.reason else answered)
    if group.measured.errors:
        notes["answered"].append(
            counted(
                group.measured.errors,
                "answer is an error; it counts as wrong and has no time",
                "answers are errors; they count as wrong and have no time",
            )
        )


def _note_accuracy(notes: Notes, group: Group, *, scorer: bool) -> None:
    reason = why_no_accuracy(group)
    if reason is not None:
        notes["exact_match"].append(reason)
        notes["f1"].append(reason)
    if group.measured.bertscore_f1 is None:
        notes["bertscore_f1"].append(group.withheld or (_unscored(group) if scorer else NO_BERTSCORE))


def _unscored(group: Group) -> str:
    return NOT_SCORED if group.measured.answered or group.measured.errors else "nothing was answered"


def _note_time(notes: Notes, group: Group) -> None:
    values = group.measured
    if not values.timed:
        for field in ("p50_ms", "p90_ms", "p99_ms"):
            notes[field].append(NO_TIME)
        return
    if values.marked:
        notes["p50_ms"].append(
            counted(
                values.marked,
                "answer was disturbed, and its time is left out",
                "answers were disturbed, and their times are left out",
            )
        )
    for repeat in group.repeats:
        if not repeat.agrees:
            change = f"{abs(repeat.change):.1%} {'slower' if repeat.change > 0 else 'faster'}"
            notes["p50_ms"].append(
                f"run {repeat.later[:8]} of {repeat.device_id} is {change} than run {repeat.earlier[:8]} on "
                "the same questions: the machine was not steady, so measure again when nothing else runs"
            )
    for run in group.runs:
        for remark in run.remarks:
            notes["p50_ms"].append(f"when run {run.run_id[:8]} of {run.device_id} began, {remark}")
    for field, fewest in (("p90_ms", FEW_FOR_P90), ("p99_ms", FEW_FOR_P99)):
        if values.timed < fewest:
            few = counted(values.timed, "time is too few", "times are few")
            notes[field].append(f"{few} for this percentile: ask {fewest} or more")
    for run, course in zip(group.runs, group.courses, strict=True):
        name = f"run {run.run_id[:8]} of {run.device_id}"
        if course.drift is not None and abs(course.drift - 1) > _DRIFT:
            change = f"{abs(course.drift - 1):.0%} {'slower' if course.drift > 1 else 'faster'}"
            notes["p50_ms"].append(
                f"{name} ended {change} than it began: look at its temperature and clock, cool the device "
                "and repeat"
            )
        if too_many_outliers(course.outliers, run.answers):
            notes["p99_ms"].append(
                f"{course.outliers} times of {name} are {SLOWER} times and more what others of their length "
                "take: stop what else runs there and repeat"
            )


def _note_speed_up(
    notes: Notes, group: Group, baseline: Group | None, faster: SpeedUp | None, model: str
) -> None:
    if faster is None:
        no_baseline = f"{model} fp32 has no time on this hardware for any of these questions"
        notes["speed_up"].append(no_baseline if group.measured.timed else NO_TIME)
    elif group is not baseline and not is_significant((faster.low, faster.high), _NO_CHANGE):
        notes["speed_up"].append(NOT_SIGNIFICANT)


def _percent(share: Estimate | None) -> float | None:
    return None if share is None else 100 * share.value


def _milliseconds(values: Measured, name: str) -> float | None:
    found = values.percentiles_ns.get(name)
    return None if found is None else found.value / 1e6


def _median_ms(durations_ns: Iterable[int | None]) -> float | None:
    known = [ns for ns in durations_ns if ns is not None]
    return median(known) / 1e6 if known else None


def _intervals(values: Measured, faster: SpeedUp | None) -> dict[str, Interval]:
    found: list[tuple[str, Estimate | None, float]] = [
        ("exact_match", values.exact_match, 100.0),
        ("f1", values.f1, 100.0),
        *((f"{name}_ms", estimate, 1e-6) for name, estimate in values.percentiles_ns.items()),
    ]
    intervals = {
        field: _scaled(estimate.interval, scale)
        for field, estimate, scale in found
        if estimate is not None and estimate.interval is not None
    }
    if faster is not None:
        intervals["speed_up"] = (faster.low, faster.high)
    return intervals


def _scaled(interval: Sequence[float], scale: float) -> Interval:
    return interval[0] * scale, interval[1] * scale
