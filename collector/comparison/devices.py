"""Compares the devices of one machine type: how far apart they are, and which one differs from its peers."""

from collections.abc import Iterator, Sequence
from typing import Final

from collector.comparison_inputs.groups import Group
from collector.findings.between_rows import Unit

APART: Final = 5.0
"""Percent of paired time by which a device may differ from its peers without being named."""
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


def spread_notes(found: Sequence[Unit]) -> Iterator[str]:
    """Name the devices that differ from their peers by more than `APART`; of two devices, the slower one."""
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
