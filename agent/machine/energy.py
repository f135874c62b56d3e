"""Reads joules since a run began, from whichever meter the machine has; without a meter, there are none.

A counter (RAPL) adds up by itself and is read between questions. A power meter (INA219, a Jetson's INA3221,
the Pi 5's PMIC) shows the power at a moment: it is read while the worker computes, at most once per second,
and integrated by the trapezoid rule. If it were read in the pauses only, it would measure an idle machine.
"""

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from agent.machine.system_files import read_number, read_text
from agent.machine.vcgencmd import Vcgencmd

POWER_SECONDS: Final = 1.0
"""Seconds between two readings of a power meter: vcgencmd takes some milliseconds of a core."""
_MICRO: Final = 1e-6
_RAIL: Final = re.compile(r"(\w+)_([AV]) (?:current|volt)\(\d+\)=([0-9.]+)[AV]")
_INA: Final = re.compile(r"ina2\d\d")
_WHOLE_MODULE: Final = frozenset({"VDD_IN", "POM_5V_IN", "5V_IN", "VIN"})
"""What Jetsons call the rail that supplies the module, and so all its other rails."""
_NO_RAIL: Final = frozenset({"", "NC", "VDDQ_VDD2_1V8AO"})
"""Channels that are not connected, or whose power is part of VIN_SYS_5V0 (Jetson AGX Orin)."""


class Meter(Protocol):
    """Measures the energy that the machine uses."""

    source: str
    """What is measured by which meter, in a few words."""
    samples_power: bool
    """Whether `look` has to be called while the machine works."""

    def look(self) -> None:
        """Read the power now, if it is time."""

    def joules(self) -> float | None:
        """Joules since the meter was made; None if it no longer answers."""


def find_meter(root: Path = Path("/"), now: Callable[[], float] = time.monotonic) -> Meter | None:
    """The meter that covers most: one in the supply line, then the board's, then the processor's.

    Args:
        root: where the machine's `/sys` and programs are.
        now: seconds of a monotonic clock.
    """
    for name, power in (_supply_line(root), _ina3221(root), _rails(root)):
        if power is not None and power() is not None:
            return PowerMeter(name, power, now)
    zones = rapl_zones(root)
    if zones and all(zone.read() is not None for zone in zones):
        return Rapl(zones)
    return None


class RaplZone:
    """One counter of microjoules below `/sys/class/powercap`, which starts over after its highest value."""

    def __init__(self, folder: Path) -> None:
        self.name = read_text(folder / "name") or folder.name
        self.file = folder / "energy_uj"
        self._range = read_number(folder / "max_energy_range_uj")
        self._last = self.read()
        self._total = 0

    def read(self) -> int | None:
        """The counter; None if it cannot be read: since 2020 only root may."""
        return read_number(self.file)

    def advance(self) -> int | None:
        """Microjoules since the zone was made."""
        now = self.read()
        if now is None or self._last is None:
            return None
        step = now - self._last
        if step < 0:
            if self._range is None:
                return None
            step += self._range
        self._total += step
        self._last = now
        return self._total


class Rapl:
    """Measures the processor packages, and the memory if it has a counter of its own."""

    samples_power = False

    def __init__(self, zones: list[RaplZone]) -> None:
        self.source = "RAPL: " + ", ".join(zone.name for zone in zones)
        self._zones = zones
        self._answers = True

    def look(self) -> None:
        """Do nothing: the counters add up by themselves."""

    def joules(self) -> float | None:
        """Joules since the meter was made. Call it more often than a counter wraps, which takes minutes."""
        parts = [zone.advance() for zone in self._zones]
        counted = [part for part in parts if part is not None]
        # A zone that failed once has a gap that no later reading fills.
        self._answers = self._answers and len(counted) == len(parts)
        return sum(counted) * _MICRO if self._answers else None


class PowerMeter:
    """Integrates power over time.

    Args:
        source: what is measured by which meter.
        power: returns the watts now; None if the meter does not answer.
        now: seconds of a monotonic clock.
    """

    samples_power = True

    def __init__(self, source: str, power: Callable[[], float | None], now: Callable[[], float]) -> None:
        self.source = source
        self._power = power
        self._now = now
        self._joules = 0.0
        self._last: tuple[float, float] | None = None
        self._due_at = now()
        self._answers = True

    def look(self) -> None:
        """Read the power now, if it is time."""
        if self._answers and self._now() >= self._due_at:
            watts = self._power()
            at = self._now()
            if watts is None:
                self._answers = False
                return
            if self._last is None:
                self._last = (at, watts)
            self._advance(at, watts)
            self._due_at = at + POWER_SECONDS

    def joules(self) -> float | None:
        """Joules since the first reading, with the power of the latest one up to now."""
        if self._last is None or not self._answers:
            return None
        self._advance(self._now(), self._last[1])
        return self._joules

    def _advance(self, at: float, watts: float) -> None:
        assert self._last is not None
        then, before = self._last
        self._joules += (at - then) * (before + watts) / 2
        self._last = (at, watts)


def rapl_zones(root: Path) -> list[RaplZone]:
    """The zones of packages, and of memory if it has its own; cores are part of a package."""
    zones = []
    for folder in sorted(root.glob("sys/class/powercap/intel-rapl:*")):
        name = read_text(folder / "name")
        if name.startswith("package") or name == "dram":
            zones.append(RaplZone(folder))
    return zones


def _supply_line(root: Path) -> tuple[str, Callable[[], float | None] | None]:
    for sensor in sorted(root.glob("sys/class/hwmon/hwmon*")):
        name = read_text(sensor / "name")
        if _INA.fullmatch(name):
            for power in (partial(_watts, sensor / "power1_input"), _channel(sensor, "in1", "curr1")):
                if power() is not None:
                    return f"{name.upper()}: supply line", power
    return "", None


def _ina3221(root: Path) -> tuple[str, Callable[[], float | None] | None]:
    """The rails that an INA3221 meters on a Jetson: that of all the module, or the sum of its parts."""
    rails: dict[str, Callable[[], float | None]] = {}
    for sensor in sorted(root.glob("sys/class/hwmon/hwmon*")):
        if read_text(sensor / "name") == "ina3221":
            for n in (1, 2, 3):
                label = read_text(sensor / f"in{n}_label") or f"channel {n} of {sensor.name}"
                rails[label] = _channel(sensor, f"in{n}", f"curr{n}")
    for sensor in sorted(root.glob("sys/bus/i2c/drivers/ina3221x/*/iio:device*")):  # JetPack 4
        for n in (0, 1, 2):
            rails[read_text(sensor / f"rail_name_{n}")] = _channel(sensor, f"in_voltage{n}", f"in_current{n}")
    answering = {name: watts for name, watts in rails.items() if name not in _NO_RAIL and watts() is not None}
    whole = [name for name in answering if name in _WHOLE_MODULE][:1]
    names = whole or list(answering)
    if not names:
        return "", None
    return f"INA3221: {' + '.join(names)}", lambda: _sum([answering[name]() for name in names])


def _channel(sensor: Path, volts: str, amperes: str) -> Callable[[], float | None]:
    """The watts of a sensor that shows only thousandths of volts and amperes."""
    files = sensor / f"{volts}_input", sensor / f"{amperes}_input"

    def watts() -> float | None:
        millivolts, milliamperes = map(read_number, files)
        return None if millivolts is None or milliamperes is None else millivolts * milliamperes * _MICRO

    return watts


def _sum(watts: list[float | None]) -> float | None:
    known = [each for each in watts if each is not None]
    return sum(known) if len(known) == len(watts) else None


def _rails(root: Path) -> tuple[str, Callable[[], float | None] | None]:
    command = Vcgencmd(root)
    if not command.found:
        return "", None
    return "PMIC: all metered rails", lambda: rails_watts(command.ask("pmic_read_adc"))


def rails_watts(output: str) -> float | None:
    """Sum of volts times amperes over the rails for which `vcgencmd pmic_read_adc` shows both."""
    amperes: dict[str, float] = {}
    volts: dict[str, float] = {}
    for rail, unit, value in _RAIL.findall(output):
        (amperes if unit == "A" else volts)[rail] = float(value)
    metered = amperes.keys() & volts.keys()
    return sum(amperes[rail] * volts[rail] for rail in metered) if metered else None


def _watts(file: Path) -> float | None:
    microwatts = read_number(file)
    return None if microwatts is None else microwatts * _MICRO
