"""The times of rows: percentiles with intervals, and speed-ups with tests that account for their number."""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import median
from typing import Final, NamedTuple, TypeVar

from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.inputs import Inputs
from collector.comparison_inputs.tasks.pairing import DevicePair, Pairing
from collector.findings.between_rows import Interval, Place, RowName
from collector.statistics.confidence import SIGNIFICANCE, is_significant
from collector.statistics.multiple import holm
from collector.statistics.percentiles import widened
from collector.statistics.timing.levels import in_all_rounds
from collector.statistics.timing.ratios import (
    FEWEST_DEVICES,
    Scope,
    TimeRatio,
    ratio_at_different_times,
    ratio_in_rounds,
)
from collector.statistics.timing.rounds import of_units
from collector.statistics.timing.spread import Spread, moderated

_NO_CHANGE: Final = 1.0
_Compared = TypeVar("_Compared", bound=Hashable)
"""Identifies a comparison of two rows of a place."""


class Percentiles(NamedTuple):
    """The percentiles of a row's times."""

    scope: Scope | None
    """What the intervals are about; None without times."""
    values_ns: dict[str, float]
    """`p50`, `p90` and `p99`: medians over the devices."""
    intervals_ns: dict[str, Interval]
    """Those that there is enough data for."""


class SpeedUp(NamedTuple):
    """How many times faster a row is than its baseline."""

    times: TimeRatio
    questions: int
    """How many questions it is over."""
    adjusted_p_value: float | None
    """The p value, adjusted by Holm's method for all comparisons of the place; None if there is no test."""
    compared: int
    """How many comparisons of the place are tested."""

    @property
    def significant(self) -> bool | None:
        """Whether the row differs from its baseline by more than chance; None if there is no test."""
        if self.adjusted_p_value is None or self.times.interval is None:
            return None
        return self.adjusted_p_value < SIGNIFICANCE and is_significant(self.times.interval, _NO_CHANGE)


def percentiles(group: Group, known: Spread | None) -> Percentiles:
    """Compute the percentiles of a row, whose intervals know questions, rounds and devices.

    Args:
        group: the row.
        known: how much times vary between rounds on such devices, for a device with a single round.
    """
    timed = {device_id: sums for device_id, sums in group.of_devices.items() if sums.timed}
    if not timed:
        return Percentiles(None, {}, {})
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for name, estimate in group.measured.percentiles_ns.items():
        values[name] = estimate.value
        of_devices = [
            in_all_rounds(
                sums.percentiles_ns[name].value,
                sums.percentiles_ns[name].interval,
                group.levels[device_id],
                known,
            )
            for device_id, sums in timed.items()
        ]
        found = [interval for interval in of_devices if interval is not None]
        if len(found) < len(timed):
            continue
        if len(timed) >= FEWEST_DEVICES:
            # All devices answered the same questions, so questions and devices add as two errors.
            logs = [math.log(max(sums.percentiles_ns[name].value, 1)) for sums in timed.values()]
            questions = estimate.interval or (estimate.value, estimate.value)
            intervals[name] = widened(questions, estimate.value, of_units(logs).reach)
        else:
            intervals[name] = median(low for low, _ in found), median(high for _, high in found)
    return Percentiles(_scope(group), values, intervals)


def _scope(group: Group) -> Scope:
    if len(group.levels) >= FEWEST_DEVICES:
        return "machine type"
    if not all(level.spread.freedom for level in group.levels.values()):
        return "one run"
    return "this device" if len(group.levels) == 1 else "these devices"


def speed_ups(inputs: Inputs) -> dict[RowName, SpeedUp]:
    """Compute the speed-up of each row over its baseline, with p values adjusted within each place."""
    of_places: dict[Place, list[Group]] = defaultdict(list)
    for group in inputs.groups:
        if group.name in inputs.pairings:
            of_places[group.place].append(group)
    found: dict[RowName, SpeedUp] = {}
    for rows in of_places.values():
        pairings = {group.name: inputs.pairings[group.name] for group in rows}
        baselines = {row.name for group in rows if (row := inputs.baselines.of(group)) is not None}
        spreads = shared_spreads({name: pairings[name] for name in pairings if name not in baselines})
        ratios = {
            group.name: _ratio(group, pairings[group.name], spreads.get(group.name), inputs) for group in rows
        }
        tested = [
            name for name, ratio in ratios.items() if name not in baselines and ratio.p_value is not None
        ]
        adjusted = dict(zip(tested, holm([ratios[name].p_value or 0.0 for name in tested]), strict=True))
        for name, ratio in ratios.items():
            found[name] = SpeedUp(ratio, pairings[name].questions, adjusted.get(name), len(tested))
    return found


def _ratio(group: Group, pairing: Pairing, spreads: Sequence[Spread] | None, inputs: Inputs) -> TimeRatio:
    if inputs.baselines.of(group) is group:
        rounds = round(sum(device.ratio.rounds for device in pairing.devices))
        return TimeRatio(1.0, _scope(group), (1.0, 1.0), None, rounds, None)
    return time_ratio(group, pairing, inputs, spreads)


def time_ratio(
    group: Group, pairing: Pairing, inputs: Inputs, spreads: Sequence[Spread] | None = None
) -> TimeRatio:
    """Compute the ratio of the times of two rows of one place.

    Args:
        group: one of the rows.
        pairing: their times, on at least one device.
        inputs: what is known of the machine type.
        spreads: the spread of each device for the p value, as `shared_spreads` has it; None for the device's
            own.
    """
    devices = [device.ratio for device in pairing.devices]
    if pairing.took_turns:
        return ratio_in_rounds(devices, moderated=spreads, known=inputs.spread_between_rounds(group))
    between = inputs.spread_between_commands(group)
    commands = [device.commands for device in pairing.devices]
    return ratio_at_different_times(devices, commands, None if between is None else between.spread)


def shared_spreads(pairings: Mapping[_Compared, Pairing]) -> dict[_Compared, list[Spread]]:
    """Moderate the spreads of comparisons that were made in the same rounds of one device.

    Args:
        pairings: the comparisons of one place that are tested together.

    Returns:
        The spread of each device of each comparison.
    """
    together: dict[tuple[str, tuple[str, ...]], list[tuple[_Compared, DevicePair]]] = defaultdict(list)
    for compared, pairing in pairings.items():
        for device in pairing.devices:
            together[device.device_id, device.turns].append((compared, device))
    found: dict[tuple[_Compared, str], Spread] = {}
    for (device_id, _), comparisons in together.items():
        spreads = moderated([device.ratio.spread for _, device in comparisons])
        found |= {(compared, device_id): of for (compared, _), of in zip(comparisons, spreads, strict=True)}
    return {
        compared: [found[compared, device.device_id] for device in pairing.devices]
        for compared, pairing in pairings.items()
    }
