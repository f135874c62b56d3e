"""Describes what changed from a run to a later one.

A change is relative to the earlier run, on the questions that both runs answered: percent for times, load and
memory, points for EM, F1 and BERTScore.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from collector.comparison.notes import WITHIN_ONE_RUN, other_times, unlike_readings
from collector.comparison_inputs.baseline import comparable
from collector.comparison_inputs.pairs.run_pair import RunPair, gather_pair
from collector.comparison_inputs.standing import otherwise, type_of
from collector.comparison_inputs.tasks.contrast import PairedScores
from collector.errors import BadInput
from collector.regression.changes import Change, Regression
from collector.regression.limits import POINTS, Limit, judged
from collector.regression.time_changes import relative, time_changes
from collector.statistics.confidence import SIGNIFICANCE
from collector.statistics.timing.ratios import ratio_in_rounds
from collector.store.database import Store
from collector.store.runs import Run

NOISE: Final = 1.0
"""Percent: by default, a smaller change of a time, of load and of memory breaks no limit."""


def compare_runs(
    store: Store, before: str, after: str, limits: tuple[Limit, ...], noise: float = NOISE
) -> Regression:
    """Compare two runs, each named by the beginning of its id.

    Args:
        store: the database.
        before: the beginning of the earlier run's id.
        after: the beginning of the later run's id.
        limits: the limits on changes.
        noise: percent; a smaller change of a time, of load and of memory breaks no limit.

    Raises:
        BadInput: a run does not exist, the runs asked different question files or are of different
            scenarios, or a limit is on a number that one of them does not have.
    """
    return regression(gather_pair(store, before, after), limits, noise)


def regression(pair: RunPair, limits: tuple[Limit, ...], noise: float = NOISE) -> Regression:
    """Describe what changed between two runs. Arguments and errors are those of `compare_runs`."""
    before, after = pair.before.run, pair.after.run
    changes = (*time_changes(pair.times, pair.spread), *_once(pair), *_answers(pair.scores))
    for limit in limits:
        if limit.metric not in {change.metric for change in changes}:
            raise BadInput(f"limit {limit.text!r} cannot be checked: {_why_missing(limit, pair)}")
    rounds = len(pair.times.turns)
    return Regression(
        before=before.run_id,
        after=after.run_id,
        questions=len(pair.times.question),
        rounds=rounds,
        unlike=tuple(unlike(before, after)),
        notes=tuple(_notes(pair, rounds)),
        changes=changes,
        limits=tuple(judged(limits, changes, noise, rounds)),
    )


def _why_missing(limit: Limit, pair: RunPair) -> str:
    if limit.metric in POINTS and not comparable(pair.before, pair.after):
        return "the runs decode or split otherwise"
    return "at least one of the runs lacks this number"


def _once(pair: RunPair) -> Iterator[Change]:
    """Compare what is measured once per round: load by its rounds, memory by its highest."""
    before, after = pair.before.run, pair.after.run
    if before.load_ns and after.load_ns:
        ratio = None if pair.loads is None else ratio_in_rounds([pair.loads])
        p_value = None if ratio is None else ratio.p_value
        yield relative("load", "ms", before.load_ns, after.load_ns, ratio, p_value)
    if before.peak_rss_bytes and after.peak_rss_bytes:
        yield relative("memory", "MB", before.peak_rss_bytes, after.peak_rss_bytes, None, None)


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
                p_value=p_value,
                significant=p_value < SIGNIFICANCE,
            )


def _notes(pair: RunPair, rounds: int) -> Iterator[str]:
    mine, its = unlike_readings(pair.before, pair.after)
    if mine:
        yield (
            f"accuracies are left out: {', '.join(mine)} before and {', '.join(its)} after; they are "
            "compared only with the same decoding and windows"
        )
    if not len(pair.times.question):
        return
    if not rounds:
        yield other_times(pair.spread)
    elif rounds == 1:
        yield WITHIN_ONE_RUN


def unlike(before: Run, after: Run) -> Iterator[str]:
    """Write what else differs between two runs and may be the cause of a change."""
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
