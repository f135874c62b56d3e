"""Compares the devices of one machine type: how far apart they are, and which one differs from its peers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from collector.comparison.run_notes import newest
from collector.comparison_inputs.groups import Group
from collector.findings.between_rows import Unit

APART: Final = 5.0
"""Percent of paired time by which a device may differ from its peers without being named."""
DEVICES: Final = 20
"""The most devices of a machine type that a report compares with each other."""
_PAIR: Final = 2


def units(group: Group) -> tuple[Unit, ...]:
    """Compare each device of a row with the others, in order of name; nothing for a single device."""
    return tuple(
        Unit(
            row=group.name,
            device_id=device_id,
            runs=len(device.runs),
            questions=group.deviations[device_id].questions,
            p50_ms=group.of_devices[device_id].percentiles_ns["p50"].value / 1e6,
            deviation=100 * group.deviations[device_id].deviation,
        )
        for device_id, device in group.devices.items()
        if device_id in group.deviations
    )


def most_unlike(found: Sequence[Unit]) -> list[Unit]:
    """Choose, on each machine type and question file, the devices that differ most from the others.

    A device is chosen with all of its rows, by the row in which it differs most.
    """
    furthest: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for unit in found:
        of_type = furthest[_type(unit)]
        of_type[unit.device_id] = max(abs(unit.deviation), of_type.get(unit.device_id, 0.0))
    chosen = {
        of_type: set(sorted(by_device, key=lambda device_id: (-by_device[device_id], device_id))[:DEVICES])
        for of_type, by_device in furthest.items()
    }
    return [unit for unit in found if unit.device_id in chosen[_type(unit)]]


def _type(unit: Unit) -> tuple[str, ...]:
    return unit.row.hardware_class, unit.row.machine, unit.row.questions_sha256


def spread_notes(found: Sequence[Unit]) -> list[str]:
    """Name the devices that differ from their peers by more than `APART`; of two devices, the slower one.

    Of many devices, those that differ most are named last, and the others are counted.
    """
    ranked = sorted(found, key=lambda unit: abs(unit.deviation)) if len(found) > DEVICES else found
    return newest(
        _spread_notes(ranked),
        "other device differs from the median, too, but less",
        "other devices differ from the median, too, but less",
    )


def _spread_notes(found: Sequence[Unit]) -> Iterator[str]:
    if len(found) == _PAIR:
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
