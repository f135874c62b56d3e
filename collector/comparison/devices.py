"""Compares the devices of one machine type: how far apart they are, and which one differs from its peers."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from collector.comparison_inputs.groups import Group
from collector.findings.between_rows import Unit
from collector.store.findings_cache import FindingsCache

APART: Final = 5.0
"""Percent of paired time by which a device may differ from its peers without being named."""
_FEWEST: Final = 2


class _Apart(msgspec.Struct, frozen=True, kw_only=True):
    """The deviation of one device, as shares of time."""

    questions: int
    deviation: float


def units(group: Group, cache: FindingsCache) -> tuple[Unit, ...]:
    """Compare each device of a row with the others, in order of name; nothing for a single device."""
    if len(group.devices) < _FEWEST:
        return ()
    found = cache.recall(
        "devices", (*group.digests, *group.devices), dict[str, _Apart], lambda: _apart(group)
    )
    return tuple(
        Unit(
            row=group.name,
            device_id=device_id,
            runs=len(device.runs),
            questions=found[device_id].questions,
            p50_ms=device.measured.percentiles_ns["p50"].value / 1e6,
            deviation=100 * found[device_id].deviation,
        )
        for device_id, device in group.devices.items()
        if device_id in found
    )


def spread_notes(found: Sequence[Unit]) -> Iterator[str]:
    """Name the devices that differ from their peers by more than `APART`; of two devices, the slower one."""
    if len(found) == _FEWEST:
        fast, slow = sorted(found, key=lambda unit: unit.deviation)
        percent = 100 * ((100 + slow.deviation) / (100 + fast.deviation) - 1)
        if percent > APART:
            yield _named(slow, percent, fast.device_id)
        return
    for unit in found:
        if abs(unit.deviation) > APART:
            yield _named(unit, unit.deviation, f"the median of the {len(found)} devices")


def _named(unit: Unit, percent: float, others: str) -> str:
    slower = "slower" if percent > 0 else "faster"
    return (
        f"{unit.device_id} is {abs(percent):.1f} % {slower} than {others} on {unit.questions} questions: "
        "check its cooling, clock and power supply, or give it a --hardware-class of its own"
    )


def _apart(group: Group) -> dict[str, _Apart]:
    times = {device_id: device.question_ns for device_id, device in group.devices.items()}
    questions = np.unique(np.concatenate([of_device.question for of_device in times.values()]))
    logs = np.full((len(times), len(questions)), np.nan)
    for row, of_device in enumerate(times.values()):
        logs[row, np.searchsorted(questions, of_device.question)] = np.log(np.maximum(of_device.value, 1))
    logs = logs[:, np.count_nonzero(~np.isnan(logs), axis=0) >= _FEWEST]
    found = {}
    for row, device_id in enumerate(times):
        mine = logs[:, ~np.isnan(logs[row])]
        if mine.shape[1]:
            middle = np.nanmedian(mine, axis=0)
            found[device_id] = _Apart(
                questions=mine.shape[1],
                deviation=float(np.expm1(np.median(mine[row] - middle))),
            )
    return found
