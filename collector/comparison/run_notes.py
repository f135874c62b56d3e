"""Notes on the runs of a row: which are not complete, and what shows that a machine was not steady.

There is a sentence for each run, so of many sentences only the newest are printed, and the others counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from collector.comparison_inputs.groups import Group
from collector.statistics.timing.outliers import SLOWER, too_many_outliers
from collector.statistics.timing.steadiness import Steadiness
from collector.store.runs import Run
from collector.summaries.repeatability import Repeat
from commandline.counted import counted
from commandline.outcome_text import THROTTLING_UNKNOWN

SENTENCES: Final = 20
"""The most sentences of one kind in the notes on a number, or in the remarks on a comparison."""
_ENDED: Final = {"failed": "failed", "interrupted": "was interrupted", "running": "is still running"}


def newest(sentences: Iterable[str], one: str, many: str) -> list[str]:
    """Return the last sentences, after one that counts those that are left out.

    Args:
        sentences: one for each run or device, in order of time.
        one: what follows the count if it is 1, such as "earlier run is not complete".
        many: the same for other numbers.
    """
    found = list(sentences)
    left_out = len(found) - SENTENCES
    return found if left_out <= 0 else [counted(left_out, one, many), *found[left_out:]]


def not_complete(runs: Sequence[Run]) -> list[str]:
    """Write which runs are not complete."""
    return newest(
        (_ended(run) for run in runs if run.state != "complete"),
        "earlier run is not complete",
        "earlier runs are not complete",
    )


def disagreeing(repeats: Iterable[Repeat]) -> list[str]:
    """Write which repeated runs do not agree with the one before."""
    return newest(
        (_unlike(repeat) for repeat in repeats if not repeat.agrees),
        "earlier run differs from the run before it",
        "earlier runs differ from the run before them",
    )


def start_remarks(runs: Sequence[Run], beginning: str = "") -> list[str]:
    """Write what the agent remarked about the machines before runs.

    Args:
        runs: the runs.
        beginning: what a remark must begin with.
    """
    found = ((run, remark) for run in runs for remark in run.remarks if remark.startswith(beginning))
    return newest(
        (f"at the start of run {run.run_id[:8]} of {run.device_id}, {remark}" for run, remark in found),
        "remark was made at the start of an earlier run",
        "remarks were made at the start of earlier runs",
    )


def throttling_unknown(runs: Sequence[Run]) -> list[str]:
    """Write of which runs it is not known whether the machine was throttled."""
    return start_remarks(runs, THROTTLING_UNKNOWN)


def unsteady(group: Group) -> list[str]:
    """Write in which runs the machine became slower or faster, or changed slowly."""
    return newest(
        _unsteady(group),
        "earlier run drifted or changed slowly, too",
        "earlier runs drifted or changed slowly, too",
    )


def with_outliers(group: Group) -> list[str]:
    """Write which runs have many outliers."""
    return newest(
        (
            f"{counted(timeline.outliers, 'outlier')} in {_name(run)}, each more than {SLOWER} times the "
            "usual time for its length: stop other programs and run again"
            for run, timeline in zip(group.runs, group.timelines, strict=True)
            if too_many_outliers(timeline.outliers, run.answers)
        ),
        "earlier run has many outliers, too",
        "earlier runs have many outliers, too",
    )


def _ended(run: Run) -> str:
    ended = _ENDED.get(run.state, f"is {run.state}")
    answered = f"{_name(run)} {ended} after {counted(run.answers, 'answer')}"
    return f"{answered}: {run.explanation}" if run.explanation else answered


def _unlike(repeat: Repeat) -> str:
    change = f"{100 * abs(repeat.change):.1f} % {'slower' if repeat.change > 0 else 'faster'}"
    return (
        f"run {repeat.later[:8]} of {repeat.device_id} is {change} than run {repeat.earlier[:8]} on the same "
        "questions, so the machine was not steady: stop other programs and run again"
    )


def _unsteady(group: Group) -> Iterator[str]:
    for run, timeline in zip(group.runs, group.timelines, strict=True):
        steady = Steadiness(timeline.drift, timeline.persistent)
        if steady.drift is not None and steady.drifts:
            change = f"{100 * abs(steady.drift - 1):.0f} % {'slower' if steady.drift > 1 else 'faster'}"
            yield (
                f"{_name(run)} was {change} at its end than at its start: check temperature and clock, cool "
                "the device and run again"
            )
        if steady.persistent is not None and steady.wanders:
            yield (
                f"the machine changed slowly during {_name(run)}, by about {100 * steady.persistent:.1f} %: "
                "a round resembles the next one, so intervals may be too narrow; stop other programs and run "
                "again"
            )


def _name(run: Run) -> str:
    return f"run {run.run_id[:8]} of {run.device_id}"
