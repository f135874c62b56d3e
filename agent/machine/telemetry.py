"""Reads the state of the machine between questions: temperature, clock, and throttling.

Everything is read below a root folder, so a captured `/sys` tree is a machine for the tests. What a machine
does not report is None, never a guess.
"""

from pathlib import Path
from typing import NamedTuple

from agent.machine.control_group import quota
from agent.machine.pi_throttling import PiThrottling
from agent.machine.system_files import read_number
from agent.machine.thermometers import Thermometers
from contract.records import Mark


class MachineState(NamedTuple):
    """Temperature, clock and throttling of the machine at one moment."""

    temperature_celsius: float | None
    """Of the hottest processor."""
    clock_hz: int | None
    """Clock of the fastest core."""
    throttle: tuple[Mark, ...] | None
    """What throttles it now, or did since the previous reading; None if the machine does not report it."""


class Telemetry:
    """Reads the state of one machine, again and again.

    Args:
        root: where its `/sys` is, and `vcgencmd` if the kernel does not show the Pi's throttle bits.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._thermometers = Thermometers(root)
        self._clocks = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self.pi = PiThrottling(root)
        """The throttling of a Raspberry Pi."""
        self._counters = sorted(
            root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
        )
        self._quota = quota(root)
        self._seen_count = self._throttle_count()
        self._seen_stops = self._quota_stops()

    def read(self) -> MachineState:
        """Read the state now."""
        clocks = [value * 1000 for path in self._clocks if (value := read_number(path)) is not None]
        return MachineState(self._thermometers.hottest_celsius(), max(clocks, default=None), self._throttle())

    def _throttle(self) -> tuple[Mark, ...] | None:
        acting = self.pi.acting()
        marks = set(acting or ())
        count, stops = self._throttle_count(), self._quota_stops()
        if (count or 0) > (self._seen_count or 0) or stops > self._seen_stops:
            marks.add("throttled")
        self._seen_count, self._seen_stops = count, stops
        return None if acting is None and count is None and not marks else tuple(sorted(marks))

    def _throttle_count(self) -> int | None:
        """How often the kernel saw Intel's cores and packages throttled; None if it does not count that."""
        counts = [value for path in self._counters if (value := read_number(path)) is not None]
        return sum(counts) if counts else None

    def _quota_stops(self) -> int:
        """How often a quota has stopped this process."""
        return 0 if self._quota is None else self._quota.stops()
