"""Compares a run with an earlier one: what changed, whether it may be chance, and whether it breaks a limit.

A change is relative to the earlier run, on the questions that both runs answered: percent for times, load and
memory, points for EM and F1. A limit such as `p50>5%` or `f1<-0.5` is broken by a change beyond it that is
significant, or that no test is known for.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from numpy.typing import NDArray

from collector.comparison.notes import other_times, unlike_readings
from collector.comparison_inputs.baseline import comparable
from collector.comparison_inputs.between_commands import share_rounds
from collector.comparison_inputs.run_pair import RunPair, gather_pair
from collector.comparison_inputs.standing import otherwise, type_of
from collector.comparison_inputs.tasks.contrast import PairedScores
from collector.errors import BadInput
from collector.findings.between_rows import Interval
from collector.statistics.confidence import SIGNIFICANCE, is_significant
from collector.statistics.medians import speed_up
from collector.statistics.percentiles import percentile
from collector.store.database import Store
from collector.store.runs import Run

METRICS: Final = ("p50", "p90", "p99", "load", "memory", "em", "f1", "bertscore")
_POINTS: Final = {"em", "f1", "bertscore"}
_LIMIT: Final = re.compile(r"\s*(\w+)\s*([<>])\s*([-+]?\d+(?:\.\d+)?)\s*(%?)\s*", re.ASCII)


class Limit(NamedTuple):
    """A limit on the change of one metric."""

    text: str
    metric: str
    above: bool
    """Whether a change above the bound breaks the limit; if false, a change below it does."""
    bound: float
    """Percent; points for em and f1."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The change of one metric between two runs."""

    metric: str
    unit: str
    """The unit of `before` and `after`."""
    before: float
    after: float
    questions: int | None
    """How many questions of both runs `before` and `after` are over; None for load and memory."""
    change: float
    """Percent of `before`; points for em and f1."""
    interval: Interval | None
    """95 % interval of the change; None if there is no rule for one."""
    significant: bool | None
    """Whether the change is more than chance; None if there is no test for it."""


class Regression(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `collector compare` prints; encoded as JSON, its output with `--json`."""

    before: str
    """Id of the earlier run."""
    after: str
    """Id of the later run."""
    questions: int
    """How many questions have a time in both runs."""
    unlike: tuple[str, ...]
    """Other differences between the runs, which may be the cause."""
    notes: tuple[str, ...]
    """What is not compared or not tested, and what else limits the changes."""
    changes: tuple[Change, ...]
    broken: tuple[str, ...]
    """The limits that a change broke."""


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Parse limits such as `p50>5%,f1<-0.5`.

    Raises:
        BadInput: a part is not a limit on one of `METRICS`, in points for em and f1 and in percent otherwise.
    """
    return tuple(_limit(part) for part in text.split(","))


def compare_runs(store: Store, before: str, after: str, limits: tuple[Limit, ...]) -> Regression:
    """Compare two runs, each named by the beginning of its id.

    Raises:
        BadInput: a run does not exist, the runs asked different question files or are of different
            scenarios, or a limit is on a number that one of them does not have.
    """
    return regression(gather_pair(store, before, after), limits)


def regression(pair: RunPair, limits: tuple[Limit, ...]) -> Regression:
    """Describe what changed between two runs.

    Raises:
        BadInput: a limit is on a number that one of the runs does not have.
    """
    before, after = pair.before.run, pair.after.run
    tested = share_rounds(pair.before, pair.after) or pair.spread is not None
    changes = (
        *_times(pair.before_ns, pair.after_ns, tested=tested),
        *_once(before, after),
        *_answers(pair.scores),
    )
    return Regression(
        before=before.run_id,
        after=after.run_id,
        questions=len(pair.before_ns),
        unlike=tuple(_unlike(before, after)),
        notes=tuple(_notes(pair)),
        changes=changes,
        broken=tuple(limit.text for limit in limits if _breaks(limit, changes, pair)),
    )


def _limit(text: str) -> Limit:
    match = _LIMIT.fullmatch(text)
    if match is None or match[1] not in METRICS or (match[1] in _POINTS) == bool(match[4]):
        raise BadInput(
            f"{text.strip()!r} is not a limit such as 'p50>5%' or 'f1<-0.5'; the metrics are "
            f"{', '.join(METRICS)}: em and f1 in points, the others in %"
        )
    return Limit(text.strip(), match[1], match[2] == ">", float(match[3]))


def _breaks(limit: Limit, changes: tuple[Change, ...], pair: RunPair) -> bool:
    for change in changes:
        if change.metric == limit.metric:
            beyond = change.change > limit.bound if limit.above else change.change < limit.bound
            return beyond and change.significant is not False
    alike = limit.metric not in _POINTS or comparable(pair.before, pair.after)
    why = "at least one of the runs lacks this number" if alike else "the runs decode or split otherwise"
    raise BadInput(f"limit {limit.text!r} cannot be checked: {why}")


def _times(before_ns: NDArray[Any], after_ns: NDArray[Any], *, tested: bool) -> Iterator[Change]:
    faster = speed_up(before_ns, after_ns)
    if faster is None:
        return
    for metric, fraction in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        before, after = (percentile(times, fraction) / 1e6 for times in (before_ns, after_ns))
        interval = (_slower(faster.high), _slower(faster.low)) if metric == "p50" and tested else None
        significant = None if interval is None else is_significant(interval, 0.0)
        yield _relative(metric, "ms", before, after, len(before_ns), interval, significant)


def _slower(ratio: float) -> float:
    """Convert a speed-up to percent more time."""
    return 100 * (1 / ratio - 1)


def _once(before: Run, after: Run) -> Iterator[Change]:
    found: tuple[tuple[str, str, Callable[[Run], int | None]], ...] = (
        ("load", "ms", lambda run: run.load_ns),
        ("memory", "MB", lambda run: run.peak_rss_bytes),
    )
    for metric, unit, value in found:
        old, new = value(before), value(after)
        if old and new:
            yield _relative(metric, unit, old / 1e6, new / 1e6, None, None, None)


def _relative(
    metric: str,
    unit: str,
    before: float,
    after: float,
    questions: int | None,
    interval: Interval | None,
    significant: bool | None,
) -> Change:
    return Change(
        metric=metric,
        unit=unit,
        before=before,
        after=after,
        questions=questions,
        change=100 * (after / before - 1) if before else 0.0,
        interval=interval,
        significant=significant,
    )


def _answers(found: PairedScores | None) -> Iterator[Change]:
    if found is None:
        return
    for metric, score in (("em", found.exact_match), ("f1", found.f1), ("bertscore", found.bertscore_f1)):
        if score is not None:
            value, low, high, p_value = score.difference
            yield Change(
                metric=metric,
                unit="%",
                before=100 * score.right,
                after=100 * score.left,
                questions=found.questions,
                change=100 * value,
                interval=(100 * low, 100 * high),
                significant=p_value < SIGNIFICANCE,
            )


def _notes(pair: RunPair) -> Iterator[str]:
    mine, its = unlike_readings(pair.before, pair.after)
    if mine:
        yield (
            f"em and f1 are left out: {', '.join(mine)} before and {', '.join(its)} after; accuracies are "
            "compared only with the same decoding and windows"
        )
    if len(pair.before_ns) and not share_rounds(pair.before, pair.after):
        yield other_times(pair.spread)


def _unlike(before: Run, after: Run) -> Iterator[str]:
    for what, value in _CIRCUMSTANCES.items():
        if value(before) != value(after):
            yield what
    for old, new in zip(*otherwise(before, after), strict=True):
        yield f"{old} → {new}"


_NAMED: Final[dict[str, Any]] = {
    "seed": 0,
    "limit": None,
    "decoding": "",
    "options": {},
    **dict.fromkeys(("max_tokens", "stride_tokens", "max_answer_tokens", "threads"), 0),
}
"""Settings that are no difference, or that `otherwise` names."""
_CIRCUMSTANCES: Final[dict[str, Callable[[Run], object]]] = {
    "bundle": lambda run: run.bundle_sha256,
    "device": lambda run: run.device_id,
    "hardware class": lambda run: run.device.hardware_class,
    "machine": lambda run: type_of(run).label,
    "kernel": lambda run: run.device.kernel,
    "governor": lambda run: run.device.governor,
    "other settings": lambda run: msgspec.structs.replace(run.settings, **_NAMED),
}
