"""Reads the state of the machine between questions: temperature, clock, and throttling.

Everything is read below a root folder, so a captured `/sys` tree is a machine for the tests. What a machine
does not report is None, never a guess.
"""

from pathlib import Path
from typing import Final, NamedTuple

from agent.machine.system_files import read_number, read_text
from agent.machine.vcgencmd import Vcgencmd
from contract.records import Mark

_PI_BITS: Final[dict[int, Mark]] = {  # of `vcgencmd get_throttled`; each again at bit + 16, since boot
    0: "under_voltage",
    1: "frequency_capped",
    2: "throttled",
    3: "soft_temperature_limit",
}
_SINCE_BOOT: Final = 16
_CPU_ZONES: Final = ("cpu", "soc", "x86_pkg_temp", "tcpu")
_CPU_SENSORS: Final = ("coretemp", "k10temp", "cpu_thermal", "zenpower")


class MachineState(NamedTuple):
    """Temperature, clock and throttling of the machine at one moment."""

    temperature_celsius: float | None
    clock_hz: int | None
    """Clock of the fastest core."""
    throttle: tuple[Mark, ...]
    """What throttles it now, or did since the previous reading."""


class Telemetry:
    """Reads the state of one machine, again and again.

    Args:
        root: where its `/sys` is, and `vcgencmd` if the kernel does not show the Pi's throttle bits.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._temperatures = _temperature_files(root)
        self._clocks = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self._pi_throttle = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        self._vcgencmd = None if self._pi_throttle.exists() else Vcgencmd(root)
        self._counters = sorted(
            root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count")
        )
        self._seen_since_boot = self._pi_bits() >> _SINCE_BOOT
        self._seen_count = self._throttle_count()

    def read(self) -> MachineState:
        """Read the state now."""
        temperatures = [
            value / 1000 for path in self._temperatures if (value := read_number(path)) is not None
        ]
        clocks = [value * 1000 for path in self._clocks if (value := read_number(path)) is not None]
        return MachineState(max(temperatures, default=None), max(clocks, default=None), self._throttle())

    def since_boot(self) -> tuple[Mark, ...]:
        """What has throttled a Raspberry Pi at any time since it started."""
        bits = self._pi_bits()
        seen = bits | bits >> _SINCE_BOOT
        return tuple(sorted(mark for bit, mark in _PI_BITS.items() if seen >> bit & 1))

    def _throttle(self) -> tuple[Mark, ...]:
        bits = self._pi_bits()
        since_boot = bits >> _SINCE_BOOT
        # The bits since boot never fall, so one that rose shows throttling between two readings.
        acting = bits | (since_boot & ~self._seen_since_boot)
        self._seen_since_boot = since_boot
        marks = {mark for bit, mark in _PI_BITS.items() if acting >> bit & 1}
        count = self._throttle_count()
        if count > self._seen_count:
            marks.add("throttled")
        self._seen_count = count
        return tuple(sorted(marks))

    def _pi_bits(self) -> int:
        if self._vcgencmd is None:
            return read_number(self._pi_throttle, 16) or 0
        return _throttled(self._vcgencmd.ask("get_throttled")) if self._vcgencmd.found else 0

    def _throttle_count(self) -> int:
        return sum(read_number(path) or 0 for path in self._counters)


def _throttled(output: str) -> int:
    """The bits in `throttled=0x50005`."""
    try:
        return int(output.strip().removeprefix("throttled="), 16)
    except ValueError:
        return 0


def _temperature_files(root: Path) -> list[Path]:
    zones = sorted(root.glob("sys/class/thermal/thermal_zone*"))
    of_cpu = [zone / "temp" for zone in zones if read_text(zone / "type").lower().startswith(_CPU_ZONES)]
    if of_cpu:
        return of_cpu
    for sensor in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if read_text(sensor / "name") in _CPU_SENSORS:
            return sorted(sensor.glob("temp*_input"))
    return [zone / "temp" for zone in zones]
