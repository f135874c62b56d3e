"""Ratios of times: how many times faster one row is than another, and how sure that is.

Two rows that took turns in the same rounds are compared question by question within each round, so what
changes the machine from round to round meets both. From five devices of a type on, each device is one value.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from collector.findings.between_rows import Interval
from collector.statistics.percentiles import smooth_log_percentile
from collector.statistics.timing.rounds import (
    LogEstimate,
    RoundMean,
    mean_of_rounds,
    mean_over_rounds,
    of_units,
    over_devices,
)
from collector.statistics.timing.spread import Spread

FEWEST_DEVICES: Final = 5
"""From this number of devices on, an interval is of the machine type."""

Scope = Literal["machine type", "these devices", "this device", "one run", "different times"]
"""What an interval is about.

- `machine type`: any device of the type.
- `these devices`, `this device`: the measured ones.
- `one run`: the device while it was measured, since one round says nothing about others.
- `different times`: the device at any time, since the rows were measured by different commands.
"""


class TimeRatio(NamedTuple):
    """The ratio of the times of two rows."""

    ratio: float
    """Geometric mean over the questions and the devices; above 1 if the second row is faster."""
    scope: Scope
    interval: Interval | None
    """Interval of `ratio`; None if the rows are of different commands, and no command was repeated."""
    p_value: float | None
    """How probable a ratio at least as far from 1 is between equally fast rows; None if there is no test."""
    rounds: int
    """How many rounds it is over, the sum over the devices."""
    of_devices: Interval | None
    """The lowest and the highest ratio of a device; None for one device."""


def log_ratios(slower_ns: ArrayLike, faster_ns: ArrayLike, rounds: ArrayLike) -> RoundMean:
    """Compare two rows on one device, within rounds.

    Args:
        slower_ns: the first row's time of each question, at least one.
        faster_ns: the second row's times of the same questions in the same order.
        rounds: a number for the round of each question.
    """
    slower, faster = (np.maximum(np.asarray(ns, np.float64), 1) for ns in (slower_ns, faster_ns))
    return mean_over_rounds(np.log(slower) - np.log(faster), rounds)


def log_ratios_of_percentiles(
    slower_ns: ArrayLike, faster_ns: ArrayLike, rounds: ArrayLike, fraction: float
) -> RoundMean | None:
    """Compare a percentile of two rows on one device, round by round.

    Args:
        slower_ns: the first row's time of each question, at least one.
        faster_ns: the second row's times of the same questions in the same order.
        rounds: a number for the round of each question.
        fraction: above 0, below 1.

    Returns:
        The log ratio of the percentiles of a round; None if there is only one round.
    """
    slower, faster, of = np.asarray(slower_ns), np.asarray(faster_ns), np.asarray(rounds)
    numbers, counts = np.unique(of, return_counts=True)
    if len(numbers) < 2:  # one round has no spread
        return None
    logs = [
        smooth_log_percentile(slower[of == number], fraction)
        - smooth_log_percentile(faster[of == number], fraction)
        for number in numbers
    ]
    return mean_of_rounds(logs, counts, within=0.0)


def ratio_in_rounds(
    devices: Sequence[RoundMean], *, moderated: Sequence[Spread] | None = None, known: Spread | None = None
) -> TimeRatio:
    """Sum up the ratio of two rows that took turns, over the devices that both ran on.

    Args:
        devices: the log ratios on each device, at least one.
        moderated: the spread of each device for the p value, moderated by those of other comparisons; None
            for the device's own.
        known: how much the log time of a row varies between rounds of such devices, if the database knows it.
            It widens the interval of a ratio within one run.
    """
    if len(devices) >= FEWEST_DEVICES:
        found = of_units([device.log for device in devices])
        return _result(devices, "machine type", found.interval, found.p_value)
    own = [device.spread for device in devices]
    if all(spread.freedom for spread in own):
        scope: Scope = "this device" if len(devices) == 1 else "these devices"
        p_value = over_devices(devices, moderated or own).p_value
        return _result(devices, scope, over_devices(devices, own).interval, p_value)
    lacking = Spread(0.0, math.inf) if known is None else Spread(2 * known.variance, known.freedom)
    between = over_devices(devices, [spread if spread.freedom else lacking for spread in own])
    within = sum(device.within for device in devices) / len(devices) ** 2
    return _result(devices, "one run", between.widened(within).interval, None)


def ratio_at_different_times(
    devices: Sequence[RoundMean], commands: Sequence[tuple[int, int]], known: Spread | None
) -> TimeRatio:
    """Sum up the ratio of two rows that were measured by different commands.

    Args:
        devices: the log ratios on each device, over the questions that both rows answered; at least one.
        commands: how many commands measured the first and the second row on each device.
        known: how much the log time of a row varies between commands of such devices, if the database knows
            it from repetitions.
    """
    if len(devices) >= FEWEST_DEVICES:
        found = of_units([device.log for device in devices])
        return _result(devices, "machine type", found.interval, found.p_value)
    if known is None:
        return _result(devices, "different times", None, None)
    variance = sum(known.variance * (1 / first + 1 / second) for first, second in commands)
    log = sum(device.log for device in devices) / len(devices)
    found = LogEstimate(log, variance / len(devices) ** 2, known.freedom)
    return _result(devices, "different times", found.interval, found.p_value)


def _result(
    devices: Sequence[RoundMean], scope: Scope, interval: Interval | None, p_value: float | None
) -> TimeRatio:
    logs = [device.log for device in devices]
    return TimeRatio(
        ratio=math.exp(sum(logs) / len(logs)),
        scope=scope,
        interval=interval,
        p_value=p_value,
        rounds=round(sum(device.rounds for device in devices)),
        of_devices=(math.exp(min(logs)), math.exp(max(logs))) if len(logs) > 1 else None,
    )


def geometric_mean(values: ArrayLike) -> float:
    """Compute the geometric mean of values above 0; twice as slow and twice as fast have equal weight."""
    return float(np.exp(np.log(np.asarray(values, np.float64)).mean()))
