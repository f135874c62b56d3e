"""The processor's thermometers: thermal zones and hardware monitors, whose names vary from board to board."""

import re
from pathlib import Path
from typing import Final

from agent.machine.system_files import read_number, read_text

_PROCESSOR_ZONE: Final = re.compile(
    r"(?<![a-z])(cpu|tcpu|soc|cluster|big|little|core|package)|mtktscpu|x86_pkg_temp", re.IGNORECASE
)
"""`cpu-thermal`, `soc-thermal`, `bigcore0-thermal`, `littlecore-thermal`, `CPU-therm`, `x86_pkg_temp` …"""
_OTHER_ZONE: Final = re.compile(
    r"gpu|npu|ddr|dram|mem|video|ve-|isp|bat|charg|usb|wifi|wlan|modem|radio|pmic|skin|case|fan|ssd|nvme|pch|"
    r"ambient|board|cam|\bao-|aoss|pll|int34",
    re.IGNORECASE,
)
"""Zones of something else than the processor, if none is called after it."""
_PROCESSOR_SENSOR: Final = re.compile(r"coretemp|k8temp|k10temp|zenpower|via_cputemp|cpu_?thermal")
_OFFSET: Final = "Tctl"
"""On some Ryzens this reads 10 to 27 degrees too high, to speed up fans; `Tdie` is then the true one."""
_LOWEST_CELSIUS: Final = -60.0
_HIGHEST_CELSIUS: Final = 150.0


class Thermometers:
    """All thermometers of a machine's processors.

    Args:
        root: where the machine's `/sys` is.
    """

    def __init__(self, root: Path) -> None:
        zones = [
            (read_text(zone / "type"), zone / "temp")
            for zone in sorted(root.glob("sys/class/thermal/thermal_zone*"))
        ]
        files = [file for name, file in zones if _PROCESSOR_ZONE.search(name)]
        for sensor in sorted(root.glob("sys/class/hwmon/hwmon*")):
            if _PROCESSOR_SENSOR.fullmatch(read_text(sensor / "name")):
                files += _inputs(sensor)
        self._files = files or [file for name, file in zones if not _OTHER_ZONE.search(name)]

    def hottest_celsius(self) -> float | None:
        """The temperature of the hottest processor; None if no thermometer shows one that can be."""
        readings = (celsius(value) for file in self._files if (value := read_number(file)) is not None)
        return max((reading for reading in readings if reading is not None), default=None)


def celsius(value: int) -> float | None:
    """Return what a thermometer shows, in degrees; None if no processor can have this temperature.

    Args:
        value: thousandths of degrees, as Linux defines it, or degrees, as old kernels of some boards write
            it. A processor between 0 and 0.15 °C would be mistaken.
    """
    in_degrees = float(value) if _LOWEST_CELSIUS <= value <= _HIGHEST_CELSIUS else value / 1000
    return in_degrees if _LOWEST_CELSIUS <= in_degrees <= _HIGHEST_CELSIUS else None


def _inputs(sensor: Path) -> list[Path]:
    labels = {
        file: read_text(file.with_name(file.name.replace("_input", "_label")))
        for file in sorted(sensor.glob("temp*_input"))
    }
    corrected = any(label == "Tdie" for label in labels.values())
    return [file for file, label in labels.items() if not (corrected and label == _OFFSET)]
