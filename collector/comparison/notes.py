"""Sentences beside the numbers of a row: why one is missing, and what speaks against one."""

from collections import defaultdict
from typing import Final

from collector.inputs.groups import Group
from collector.scoring.withholding import NOT_SCORED
from collector.summaries.statistics import SLOWER, SpeedUp, is_significant, too_many_outliers
from commandline.counted import counted

NO_TIME: Final = "no answer has a time that counts"
NO_PEAK: Final = "the device does not tell the memory of a process"
NO_ENERGY: Final = "no energy source on the device"
NO_BERTSCORE: Final = "BERTScore was not computed: collector score --bertscore-model MODEL --layers N"
NOT_SIGNIFICANT: Final = "not significant: the 95 % interval of the speed-up includes 1"
FROM_ELSEWHERE: Final = "predictions that were added: only their accuracy is known"
FEW_FOR_P90: Final = 64
"""The fewest times that bound a p90, as MLPerf's early stopping computes it (`agent.stopping` does too)."""
FEW_FOR_P99: Final = 662
"""The same for a p99."""
_DRIFT: Final = 0.05
_NO_CHANGE: Final = 1.0

_Notes = dict[str, list[str]]


def notes_of(group: Group, *, scorer: bool) -> dict[str, tuple[str, ...]]:
    """What is to be said of a group's runs, accuracy and times, by the field of the row.

    Args:
        group: the runs.
        scorer: whether BERTScores were ever computed.
    """
    notes: _Notes = defaultdict(list)
    _note_runs(notes, group)
    _note_accuracy(notes, group, scorer=scorer)
    _note_time(notes, group)
    return {field: tuple(sentences) for field, sentences in notes.items()}


def speed_up_notes(
    group: Group, baseline: Group | None, faster: SpeedUp | None, baseline_model: str
) -> dict[str, tuple[str, ...]]:
    """Why there is no speed-up, or what it is worth.

    Args:
        group: the runs of a row.
        baseline: the fp32 runs of the baseline in the same place; None where there are none.
        faster: the speed-up; None where there is none.
        baseline_model: the baseline's name.
    """
    if faster is None:
        no_baseline = f"{baseline_model} fp32 has no time on this hardware for any of these questions"
        return {"speed_up": (no_baseline if group.measured.timed else NO_TIME,)}
    if group is not baseline and not is_significant((faster.low, faster.high), _NO_CHANGE):
        return {"speed_up": (NOT_SIGNIFICANT,)}
    return {}


def why_no_accuracy(group: Group) -> str | None:
    """A sentence, where there is no EM and no F1."""
    return None if group.measured.exact_match is not None else group.withheld or _unscored(group)


def metered_by(source: str | None) -> str:
    """What tells the energy."""
    return f"by {source or 'an unnamed meter'}: what it measures is in it, idle power too"


def _note_runs(notes: _Notes, group: Group) -> None:
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


def _note_accuracy(notes: _Notes, group: Group, *, scorer: bool) -> None:
    reason = why_no_accuracy(group)
    if reason is not None:
        notes["exact_match"].append(reason)
        notes["f1"].append(reason)
    if group.measured.bertscore_f1 is None:
        notes["bertscore_f1"].append(group.withheld or (_unscored(group) if scorer else NO_BERTSCORE))


def _unscored(group: Group) -> str:
    return NOT_SCORED if group.measured.answered or group.measured.errors else "nothing was answered"


def _note_time(notes: _Notes, group: Group) -> None:
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
    for run, timeline in zip(group.runs, group.timelines, strict=True):
        name = f"run {run.run_id[:8]} of {run.device_id}"
        if timeline.drift is not None and abs(timeline.drift - 1) > _DRIFT:
            change = f"{abs(timeline.drift - 1):.0%} {'slower' if timeline.drift > 1 else 'faster'}"
            notes["p50_ms"].append(
                f"{name} ended {change} than it began: look at its temperature and clock, cool the device "
                "and repeat"
            )
        if too_many_outliers(timeline.outliers, run.answers):
            notes["p99_ms"].append(
                f"{timeline.outliers} times of {name} are {SLOWER} times and more what others of their "
                "length take: stop what else runs there and repeat"
            )
