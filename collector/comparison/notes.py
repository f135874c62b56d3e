"""Notes on the numbers of a row: why a number is missing, and what limits it."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from collector.comparison import run_notes
from collector.comparison.times import Percentiles, SpeedUp
from collector.comparison_inputs.baseline import Baselines
from collector.comparison_inputs.between_commands import CommandSpread
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.machine import without_revision
from collector.comparison_inputs.standing import otherwise
from collector.scoring.withholding import NOT_SCORED
from collector.statistics.confidence import is_significant
from collector.statistics.percentiles import FEWEST
from commandline.counted import counted

NO_TIME: Final = "no answer was timed without an error or a disturbance"
NO_BASELINE: Final = "no fp32 model has a time on this hardware for these questions"
NO_PEAK: Final = "the device does not report the memory of a process"
NO_ENERGY: Final = "no energy source on the device"
NO_ENERGY_IN_TURNS: Final = (
    "energy is not measured if bundles have several turns in a round: others use energy between two turns"
)
NO_BERTSCORE: Final = "BERTScore was not computed; to compute it: collector score --bertscore"
NOT_SIGNIFICANT: Final = "not significant: the 95 % interval of the speed-up includes 1"
WITHIN_ONE_RUN: Final = (
    "within one run: a single round says nothing about others, so nothing is called significant; to compare, "
    "measure in several rounds"
)
NOT_TOLD_APART: Final = (
    "not told apart: measured at different times, and no repeat on this hardware says how much times change"
)
ONE_COMMAND: Final = "to compare with the baseline, measure both in one command: agent run BASELINE MODEL"
UNUSUAL: Final = (
    "no label, since most rows of this section ran with another decoding or other windows, and accuracies "
    "are compared only between rows with the same"
)
FROM_ELSEWHERE: Final = "imported predictions: only their accuracy is known"
_LISTED: Final = 4
"""How many other bundles and settings a row's note lists."""

_Notes = dict[str, list[str]]


def notes_of(group: Group, times: Percentiles, *, scorer: bool) -> dict[str, tuple[str, ...]]:
    """Write the notes on a group's runs, accuracy and times, by the field of the row.

    Args:
        group: the runs.
        times: the percentiles of their times.
        scorer: whether BERTScores were ever computed.
    """
    notes: _Notes = defaultdict(list)
    _note_runs(notes, group)
    _note_accuracy(notes, group, scorer=scorer)
    _note_time(notes, group, times)
    return {field: tuple(sentences) for field, sentences in notes.items()}


def speed_up_notes(
    group: Group, baselines: Baselines, faster: SpeedUp | None, spread: CommandSpread | None
) -> dict[str, tuple[str, ...]]:
    """Write why there is no speed-up, which model stands in for the baseline, or what is not significant.

    Args:
        group: the runs of a row.
        baselines: the baselines of the comparison.
        faster: the speed-up; None if there is none.
        spread: how much times differ between commands on this hardware; None if that is not known.
    """
    baseline = baselines.of(group)
    if not group.measured.timed:
        return {"speed_up": (NO_TIME,)}
    if baseline is None:
        return {"speed_up": (NO_BASELINE,)}
    title = baseline.run.bundle.title
    if faster is None:
        return {"speed_up": (_no_speed_up(group, baseline),)}
    notes = []
    if baselines.stands_in(baseline):
        notes.append(
            f"over {title} fp32, the largest fp32 model measured on this hardware with these questions: "
            f"{baselines.title} fp32 was not measured there"
        )
    if group is not baseline:
        both = group.devices.keys() & baseline.devices.keys()
        if len(both) < len(group.devices):
            notes.append(
                f"{_listing(both)} only, which also ran the baseline; this row is of "
                f"{counted(len(group.devices), 'device')}"
            )
        mine, its = otherwise(group.runs[-1], baseline.runs[-1])
        if mine:
            notes.append(f"measured with {', '.join(mine)}; the baseline with {', '.join(its)}")
        notes += _told_apart(faster, spread)
    return {"speed_up": tuple(notes)} if notes else {}


def _told_apart(faster: SpeedUp, spread: CommandSpread | None) -> Iterator[str]:
    """Write what limits a speed-up as a statement on the two rows."""
    scope = faster.times.scope
    if scope == "one run":
        yield WITHIN_ONE_RUN
    if scope == "different times":
        yield other_times(spread)
        yield ONE_COMMAND
    if faster.adjusted_p_value is None or faster.significant:
        return
    if is_significant(faster.times.interval or (0.0, 0.0), 1.0):
        yield (
            f"not significant: p is {faster.adjusted_p_value:.2f} after adjusting for "
            f"{counted(faster.compared, 'comparison')} in this section (Holm)"
        )
    else:
        yield NOT_SIGNIFICANT


def other_times(spread: CommandSpread | None) -> str:
    """Write how much the times of two commands differ by themselves, as far as it is known."""
    if spread is None:
        return NOT_TOLD_APART
    percent = 100 * math.expm1(math.sqrt(2) * spread.log_sd)
    return (
        f"measured at different times: from one time to another, a model's time changes by {percent:.1f} % "
        f"on this hardware (standard deviation over {counted(spread.repeats, 'repeat')})"
    )


def _no_speed_up(group: Group, baseline: Group) -> str:
    title = baseline.run.bundle.title
    if not group.devices.keys() & baseline.devices.keys():
        return (
            f"{title} fp32 was measured on {_listing(baseline.devices)}, and this row on "
            f"{_listing(group.devices)}: a speed-up needs both on one device"
        )
    return f"{title} fp32 has no time on this hardware for any of these questions"


def _unlike_machines(group: Group) -> list[str]:
    """Write in which circumstances that do not make another machine type the runs differ."""
    found: dict[str, set[str]] = defaultdict(set)
    for run in group.runs:
        found["boards"].add(without_revision(run.device.model))
        found["processors"].add(run.device.cpu_model)
        found["kernels"].add(run.device.kernel)
        found["governors"].add(run.device.governor or "none")
        for name, version in run.device.versions.items():
            found[f"versions of {name}"].add(version)
    return [
        f"the runs are of different {what}: {', '.join(sorted(values))}"
        for what, values in found.items()
        if len(values) > 1
    ]


def _listing(devices: Iterable[str]) -> str:
    names = sorted(devices)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def few_questions(answered: int, most: int) -> str:
    """Write why a row has no label, no gate and no part in a choice by requirement."""
    return (
        f"no label, front, gate or --require: {answered:,} of the {counted(most, 'question')} that another "
        "row answered are too few"
    )


def not_compared(group: Group, others: Iterable[Group]) -> Iterator[str]:
    """Write which rows a row's accuracy is not compared with, since they decode or split otherwise."""
    for other in others:
        mine, its = (", ".join(side) for side in unlike_readings(group, other))
        if mine:
            name = f"{other.name.model} {other.name.precision}"
            yield f"not compared with {name}, which ran with {its}: this row ran with {mine}"


def unlike_readings(group: Group, other: Group) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write in which decoding and windows two groups differ: those of each side."""
    assert group.reading is not None and other.reading is not None
    pairs = [pair for pair in zip(group.reading, other.reading, strict=True) if pair[0] != pair[1]]
    return tuple(mine for mine, _ in pairs), tuple(its for _, its in pairs)


def why_no_accuracy(group: Group) -> str | None:
    """Return a sentence if a group has no EM and no F1; None if it has them."""
    return None if group.measured.exact_match is not None else group.withheld or _unscored(group)


def metered_by(source: str | None) -> str:
    """Write which meter measured the energy."""
    return f"everything that {source or 'an unnamed meter'} measured is included, also idle power"


def _note_runs(notes: _Notes, group: Group) -> None:
    if group.also:
        listed = "; ".join(group.also[:_LISTED])
        more = f"; and {len(group.also) - _LISTED} more" if len(group.also) > _LISTED else ""
        notes["title"].append(f"also measured: {listed}{more}")
    if unfinished := run_notes.not_complete(group.runs):
        notes["answered"] += unfinished
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
    return NOT_SCORED if group.measured.answered or group.measured.errors else "no question was answered"


def _note_time(notes: _Notes, group: Group, times: Percentiles) -> None:
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
    notes["p50_ms"] += run_notes.disagreeing(group.repeats)
    notes["p50_ms"] += run_notes.start_remarks(group.runs)
    if unknown := run_notes.throttling_unknown(group.runs):
        notes["throttled"] += unknown
    notes["p50_ms"] += _unlike_machines(group)
    timed = min(sums.timed_questions for sums in group.of_devices.values() if sums.timed)
    for fraction, fewest in FEWEST.items():
        name = f"p{100 * fraction:g}"
        if name not in times.intervals_ns:
            notes[f"{name}_ms"].append(
                f"no interval: only {counted(timed, 'different question')} timed; {name} needs at least "
                f"{fewest}"
            )
    notes["p50_ms"] += run_notes.unsteady(group)
    if outlying := run_notes.with_outliers(group):
        notes["p99_ms"] += outlying
