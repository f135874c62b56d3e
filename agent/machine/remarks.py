"""Finds reasons not to measure now: a machine that is busy, hot, throttled or on battery.

The same remarks are printed before a run, recorded with it, and shown by `agent doctor`. They do not prevent
a run: on an unattended board, a doubtful result with a remark is worth more than no result.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from agent.machine.control_group import quota
from agent.machine.device import usable_core_numbers
from agent.machine.system_files import read_text
from agent.machine.telemetry import Telemetry
from commandline.counted import counted
from commandline.outcome_text import THROTTLING_UNKNOWN

LOOK_SECONDS: Final = 0.2
BUSY_CORES: Final = 0.15
"""Share of a core used by other programs; below this the machine counts as idle."""
STOLEN_SHARE: Final = 0.01
"""Share of a virtual machine's time that its host gives to others; below this it does not count."""
HOT_CELSIUS: Final = 70.0
"""A Raspberry Pi is throttled from 80 on, laptops from 85 to 100."""
BEST_GOVERNOR: Final = "performance"

Pause = Callable[[float], None]


class Remark(NamedTuple):
    """One reason not to measure now."""

    about: str
    """`load`, `host`, `quota`, `governor`, `temperature`, `power` or `throttling`."""
    what: str
    advice: str

    @property
    def sentence(self) -> str:
        """The remark and its advice."""
        return f"{self.what}: {self.advice}"


class CpuTime(NamedTuple):
    """Processor time since the system started, over all cores, in ticks."""

    busy: int
    stolen: int
    total: int


def remarks(root: Path = Path("/"), pause: Pause = time.sleep) -> tuple[Remark, ...]:
    """Look at the machine for a moment in which this process waits.

    Args:
        root: where its `/proc` and `/sys` are.
        pause: waits for a number of seconds.
    """
    telemetry = Telemetry(root)
    found = [
        *_load(root, pause),
        *_quota(root),
        *_governor(root),
        *_heat(telemetry),
        *_battery(root),
        *_throttling(telemetry),
    ]
    return tuple(found)


def cpu_time(root: Path) -> CpuTime | None:
    """The processor time in the first line of `/proc/stat`; None without such a line."""
    line = read_text(root / "proc/stat").split("\n", 1)[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    user, nice, system, idle, iowait, irq, softirq, stolen = map(int, line[1:9])
    busy = user + nice + system + irq + softirq
    return CpuTime(busy, stolen, busy + idle + iowait + stolen)


def _load(root: Path, pause: Pause) -> list[Remark]:
    before, own_seconds = cpu_time(root), time.process_time()
    pause(LOOK_SECONDS)
    after, own_seconds = cpu_time(root), time.process_time() - own_seconds
    if before is None or after is None or after.total <= before.total:
        return []
    cores = max(1, sum(line.startswith("cpu") for line in read_text(root / "proc/stat").splitlines()) - 1)
    total = after.total - before.total
    # This process computes too: after NumPy is imported, OpenBLAS's threads wait in a loop for a moment.
    others = after.busy - before.busy - own_seconds * os.sysconf("SC_CLK_TCK")
    used = others / total * cores
    stolen = (after.stolen - before.stolen) / total
    found = []
    if used > BUSY_CORES:
        found.append(
            Remark(
                "load",
                f"other programs use {used:.1f} of {counted(cores, 'core')}",
                "stop them, or measure when they have ended",
            )
        )
    if stolen > STOLEN_SHARE:
        found.append(
            Remark(
                "host",
                f"the host gives {stolen:.0%} of this virtual machine's time to others",
                "compare only what was measured in one run, or use a machine of your own",
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
            f"the CPU governor is {names}, so speed depends on what ran before",
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    ]


def _heat(telemetry: Telemetry) -> list[Remark]:
    celsius = telemetry.read().temperature_celsius
    if celsius is None or celsius < HOT_CELSIUS:
        return []
    return [
        Remark(
            "temperature",
            f"the processor is already at {celsius:.0f} °C",
            "wait until it is cooler, or improve its cooling",
        )
    ]


def _battery(root: Path) -> list[Remark]:
    supplies = list(root.glob("sys/class/power_supply/*"))
    discharging = any(
        read_text(supply / "type") == "Battery" and read_text(supply / "status") == "Discharging"
        for supply in supplies
    )
    if not discharging:
        return []
    return [Remark("power", "the machine runs on battery, which makes many machines slower", "plug it in")]


def _throttling(telemetry: Telemetry) -> list[Remark]:
    advice = {
        "under_voltage": "use the power supply made for the board, and a short cable",
        "throttled": "improve its cooling",
        "frequency_capped": "improve its cooling, and use the power supply made for the board",
        "soft_temperature_limit": "improve its cooling",
    }
    obstacle = telemetry.pi.obstacle()
    if obstacle is not None:
        what, how = obstacle
        return [Remark("throttling", f"{THROTTLING_UNKNOWN}: {what}", how)]
    return [
        Remark("throttling", f"since it started, the board has {_PAST[mark]}", advice[mark])
        for mark in sorted(telemetry.pi.since_boot() or ())
    ]


def _quota(root: Path) -> list[Remark]:
    limit = quota(root)
    cores = len(usable_core_numbers(root))
    if limit is None or limit.cores >= cores:
        return []
    stops = limit.stops()
    stopped = f", which has throttled it {counted(stops, 'time')}" if stops else ""
    return [
        Remark(
            "quota",
            f"a quota gives this program the time of {limit.cores:g} of {counted(cores, 'core')}{stopped}",
            "remove it (docker --cpus, systemd CPUQuota), or compare only runs with the same quota",
        )
    ]


_PAST: Final = {
    "under_voltage": "had too little voltage",
    "throttled": "been throttled",
    "frequency_capped": "had its frequency capped",
    "soft_temperature_limit": "reached its soft temperature limit",
}
