"""What speaks against measuring now: a machine that is busy, hot, slowed down or on battery.

The same remarks are told before a run, recorded with it, and shown by `agent doctor`. None keeps a run from
beginning: on a board that nobody attends, a doubtful result that says so is worth more than none.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from agent.machine.system_files import read_text
from agent.machine.telemetry import Telemetry

LOOK_SECONDS: Final = 0.2
BUSY_CORES: Final = 0.15
"""Of one core, used by others: less is what any system does by itself."""
STOLEN_SHARE: Final = 0.01
HOT_CELSIUS: Final = 70.0
"""A Raspberry Pi slows down from 80 on, laptops from 85 to 100."""
BEST_GOVERNOR: Final = "performance"

Pause = Callable[[float], None]


class Remark(NamedTuple):
    """One thing that is not as it should be."""

    about: str
    """`load`, `host`, `governor`, `temperature`, `power` or `throttling`."""
    what: str
    advice: str

    @property
    def sentence(self) -> str:
        """Both, for people."""
        return f"{self.what}: {self.advice}"


class CpuTime(NamedTuple):
    """Since the system started, over all cores, in ticks."""

    busy: int
    stolen: int
    total: int


def remarks(root: Path = Path("/"), pause: Pause = time.sleep) -> tuple[Remark, ...]:
    """Look at the machine for a moment in which this process does nothing.

    Args:
        root: where its `/proc` and `/sys` are.
        pause: lets so many seconds pass.
    """
    telemetry = Telemetry(root)
    found = [
        *_load(root, pause),
        *_governor(root),
        *_heat(telemetry),
        *_battery(root),
        *_throttling(telemetry),
    ]
    return tuple(found)


def cpu_time(root: Path) -> CpuTime | None:
    """The first line of `/proc/stat`; None where there is none."""
    line = read_text(root / "proc/stat").split("\n", 1)[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    user, nice, system, idle, iowait, irq, softirq, stolen = map(int, line[1:9])
    busy = user + nice + system + irq + softirq
    return CpuTime(busy, stolen, busy + idle + iowait + stolen)


def _load(root: Path, pause: Pause) -> list[Remark]:
    before = cpu_time(root)
    pause(LOOK_SECONDS)
    after = cpu_time(root)
    if before is None or after is None or after.total <= before.total:
        return []
    cores = max(1, sum(line.startswith("cpu") for line in read_text(root / "proc/stat").splitlines()) - 1)
    total = after.total - before.total
    used = (after.busy - before.busy) / total * cores
    stolen = (after.stolen - before.stolen) / total
    found = []
    if used > BUSY_CORES:
        found.append(
            Remark(
                "load",
                f"other programs use {used:.1f} of {cores} cores",
                "stop them, or measure when they have ended",
            )
        )
    if stolen > STOLEN_SHARE:
        found.append(
            Remark(
                "host",
                f"the host gives {stolen:.0%} of this virtual machine's time to others",
                "compare only what was measured in one run, or take a machine of your own",
            )
        )
    return found


def _governor(root: Path) -> list[Remark]:
    governors = {
        text
        for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
        if (text := read_text(path))
    }
    slower = sorted(governors - {BEST_GOVERNOR})
    if not slower:
        return []
    names = " and ".join(f"'{name}'" for name in slower)
    return [
        Remark(
            "governor",
            f"the clock's governor is {names}, so speed depends on what ran before",
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    ]


def _heat(telemetry: Telemetry) -> list[Remark]:
    celsius = telemetry.read().temperature_celsius
    if celsius is None or celsius < HOT_CELSIUS:
        return []
    return [
        Remark("temperature", f"the processor has {celsius:.0f} °C already", "let it cool down, or cool it")
    ]


def _battery(root: Path) -> list[Remark]:
    supplies = list(root.glob("sys/class/power_supply/*"))
    discharging = any(
        read_text(supply / "type") == "Battery" and read_text(supply / "status") == "Discharging"
        for supply in supplies
    )
    if not discharging:
        return []
    return [Remark("power", "the machine runs on battery, which slows many down", "plug it in")]


def _throttling(telemetry: Telemetry) -> list[Remark]:
    advice = {
        "under_voltage": "use the supply that is made for the board, and a short cable",
        "throttled": "cool it",
        "frequency_capped": "cool it, and use the supply that is made for the board",
        "soft_temperature_limit": "cool it",
    }
    return [
        Remark("throttling", f"since it started, the board has been {_PAST[mark]}", advice[mark])
        for mark in telemetry.since_boot()
    ]


_PAST: Final = {
    "under_voltage": "short of voltage",
    "throttled": "throttled",
    "frequency_capped": "capped in frequency",
    "soft_temperature_limit": "at its soft temperature limit",
}
