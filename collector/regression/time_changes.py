"""The changes of times between two runs, with tests over the rounds in which they took turns."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from collector.comparison_inputs.between_commands import CommandSpread
from collector.comparison_inputs.rounds import PairedTimes
from collector.findings.between_rows import Interval
from collector.regression.changes import Change
from collector.statistics.confidence import SIGNIFICANCE, is_significant
from collector.statistics.multiple import holm
from collector.statistics.percentiles import FEWEST, percentile
from collector.statistics.timing.ratios import (
    TimeRatio,
    geometric_mean,
    log_ratios,
    log_ratios_of_percentiles,
    ratio_at_different_times,
    ratio_in_rounds,
)
from collector.statistics.timing.rounds import RoundMean

_RANKS: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


class _Timed(NamedTuple):
    metric: str
    before_ns: float
    after_ns: float
    tested: TimeRatio | None
    """The time after over the time before; None if there is too little data for an interval."""


def time_changes(times: PairedTimes, between: CommandSpread | None) -> Iterator[Change]:
    """Compare the geometric mean of times and their percentiles, on the questions that both runs have.

    The p values are adjusted by Holm's method, since all four are asked whether the later run differs.

    Args:
        times: the times of the earlier run on the left, and those of the later one.
        between: for runs of different commands, how much times differ between them, if that is known.
    """
    if not len(times.question):
        return
    found = list(_times(times, between))
    tests = [timed.tested for timed in found if timed.tested is not None]
    adjusted = iter(holm([test.p_value for test in tests if test.p_value is not None]))
    for timed in found:
        tested = timed.tested is not None and timed.tested.p_value is not None
        p_value = next(adjusted) if tested else None
        yield relative(timed.metric, "ms", *timed[1:], p_value, len(times.question))


def _times(times: PairedTimes, between: CommandSpread | None) -> Iterator[_Timed]:
    before, after, rounds = times.left_ns, times.right_ns, times.round
    first, second = (geometric_mean(np.maximum(times, 1)) for times in (before, after))
    yield _Timed("time", first, second, time_ratio(times, between))
    for metric, fraction in _RANKS.items():
        in_rounds = log_ratios_of_percentiles(after, before, rounds, fraction)
        enough = in_rounds is not None and len(before) >= FEWEST[fraction]
        yield _Timed(
            metric,
            percentile(before, fraction),
            percentile(after, fraction),
            _tested(times, between, in_rounds) if enough and in_rounds is not None else None,
        )


def time_ratio(times: PairedTimes, between: CommandSpread | None) -> TimeRatio | None:
    """Compare the times of two runs question by question: the later time over the earlier one.

    Args:
        times: the times of the earlier run on the left, and those of the later one; of at least one question.
        between: for runs of different commands, how much times differ between them, if that is known.

    Returns:
        The ratio of the geometric means, with a p value that is not adjusted; None if the runs are of
        different commands, and no repeat says how much times differ between them.
    """
    return _tested(times, between, log_ratios(times.right_ns, times.left_ns, times.round))


def _tested(times: PairedTimes, between: CommandSpread | None, in_rounds: RoundMean) -> TimeRatio | None:
    if times.turns:
        return ratio_in_rounds([in_rounds])
    if between is None:
        return None
    return ratio_at_different_times([in_rounds], [(1, 1)], between.spread)


def relative(
    metric: str,
    unit: str,
    before: float,
    after: float,
    tested: TimeRatio | None,
    p_value: float | None,
    questions: int | None = None,
) -> Change:
    """Describe the change of a number in percent.

    Args:
        metric: the name of the number.
        unit: `ms` or `MB`.
        before: the earlier number, in nanoseconds or bytes.
        after: the later number.
        tested: the later number over the earlier one; None if there is too little data for an interval.
        p_value: that of the ratio, adjusted if several are tested together; None if there is no test.
        questions: how many questions the numbers are over; None if they are not over questions.
    """
    change = 100 * (after / before - 1) if before else 0.0
    interval = None if tested is None else _percent(tested.interval, change)
    return Change(
        metric=metric,
        unit=unit,
        before=before / 1e6,
        after=after / 1e6,
        questions=questions,
        change=change,
        interval=interval,
        p_value=p_value,
        significant=None
        if p_value is None or interval is None
        else p_value < SIGNIFICANCE and is_significant(interval, 0.0),
    )


def _percent(ratios: Interval | None, change: float) -> Interval | None:
    """Convert the interval of a ratio to percent. The rounds' percentiles may differ from those of all."""
    if ratios is None:
        return None
    low, high = (100 * (ratio - 1) for ratio in ratios)
    return min(low, change), max(high, change)
