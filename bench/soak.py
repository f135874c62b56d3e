"""Do memory and open files stay flat for an hour? `python -m bench.soak --minutes 60`.

Light devices (`bench.device`: the agent's outbox and courier), `collector serve` and Mosquitto run as
processes at a rate that leaves the machine nearly idle, while the broker is restarted and killed a few times
and connections are cut and stalled throughout. Prints each process's slopes, and what was lost or doubled.

The broker's restarts all happen in the first half, so that its last process has a slope of its own. A slope
is fitted to the means of ten equal stretches after the warm-up, which are nearly independent, where samples
a few seconds apart are not; its interval is Student's, at 95 %.
"""

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import psutil

from bench.chaos import Failed, Process, check
from tests.faults.proxy import Stalling
from tests.mosquitto import Mosquitto

STRETCHES: Final = 10
_STUDENT: Final = 2.306
"""Of a slope through ten points: 8 degrees of freedom, both sides, 95 %."""
_STALL_SECONDS: Final = 45.0
"""Longer than anybody waits for an acknowledgement."""
_DRAIN_SECONDS: Final = 300.0


class Sample(NamedTuple):
    """What a process holds at a moment."""

    at: float
    """Hours since the beginning."""
    pid: int
    megabytes: float
    own: float
    """Megabytes of its own: without the pages of files, which the system takes back as it likes."""
    descriptors: int
    cpu_seconds: float


class Slope(NamedTuple):
    """A change per unit of x and half of its confidence interval's width."""

    per_unit: float
    plus_minus: float


def stretches(values: list[float]) -> list[float]:
    """The means of equal parts of a series of at least 20 values."""
    return [float(part.mean()) for part in np.array_split(np.array(values), STRETCHES)]


def fit(at: list[float], values: list[float]) -> Slope:
    """The slope of a series, by least squares over the means of its stretches."""
    x, y = np.array(stretches(at)), np.array(stretches(values))
    dx = x - x.mean()
    slope = float(dx @ y / (dx @ dx))
    rest = y - y.mean() - slope * dx
    error = float(np.sqrt(rest @ rest / (STRETCHES - 2) / (dx @ dx)))
    return Slope(slope, _STUDENT * error)


def _own_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024 / 1e6


class Watch:
    """Samples processes that may be replaced while it looks."""

    def __init__(self, every_seconds: float) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self._every_seconds = every_seconds
        self._begun = self._due_at = time.monotonic()

    def look(self, pids: dict[str, int | None]) -> None:
        """Take a sample of each, if it is time."""
        now = time.monotonic()
        if now < self._due_at:
            return
        self._due_at = now + self._every_seconds
        for name, pid in pids.items():
            try:
                process = psutil.Process(pid) if pid is not None else None
                if process is None:
                    continue
                times = process.cpu_times()
                sample = Sample(
                    (now - self._begun) / 3600,
                    process.pid,
                    process.memory_info().rss / 1e6,
                    _own_megabytes(process.pid),
                    process.num_fds(),
                    times.user + times.system,
                )
            except (psutil.NoSuchProcess, FileNotFoundError):
                continue
            self.samples.setdefault(name, []).append(sample)

    def table(self, warm_up_hours: float) -> list[str]:
        """A row for each process: how long its last incarnation was watched after the warm-up, and slopes."""
        lines = [
            "| process | watched, min | MB | MB per hour | its own, MB per hour | open files "
            "| files per hour | CPU |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
        ]
        courses = []
        for name, samples in self.samples.items():
            last = samples[-1].pid
            since = next(s.at for s in samples if s.pid == last) + warm_up_hours
            seen = [s for s in samples if s.pid == last and s.at >= since]
            if len(seen) < 2 * STRETCHES:
                lines.append(f"| {name} | restarted too late to tell | | | | | | |")
                continue
            hours = [s.at for s in seen]
            memory = fit(hours, [s.megabytes for s in seen])
            own = fit(hours, [s.own for s in seen])
            files = fit(hours, [float(s.descriptors) for s in seen])
            counts = [s.descriptors for s in seen]
            cpu = (seen[-1].cpu_seconds - seen[0].cpu_seconds) / ((hours[-1] - hours[0]) * 3600)
            lines.append(
                f"| {name} | {(hours[-1] - hours[0]) * 60:.0f} | {seen[-1].megabytes:.1f} "
                f"| {memory.per_unit:+.2f} ± {memory.plus_minus:.2f} "
                f"| {own.per_unit:+.2f} ± {own.plus_minus:.2f} | {min(counts)} to {max(counts)} "
                f"| {files.per_unit:+.2f} ± {files.plus_minus:.2f} | {cpu:.1%} |"
            )
            course = " ".join(f"{mean:.1f}" for mean in stretches([s.own for s in seen]))
            courses.append(f"{name}: {course}")
        return [*lines, "", "Its own MB by stretch, to tell what grows from what settles:", *courses]


class Soak:
    """The processes, and what befalls them."""

    def __init__(self, folder: Path, devices: int, seconds: float, pause: float, records: int) -> None:
        self.broker = Mosquitto(folder, lines=("allow_anonymous true", "log_type none"))
        self.broker.start()
        self.near_devices, self.near_collector = Stalling(self.broker.port), Stalling(self.broker.port)
        self.database = folder / "results.db"
        self.collector = Process(
            folder / "collector.log",
            *("collector", "serve", "--broker", f"mqtt://127.0.0.1:{self.near_collector.port}"),
            *("--db", str(self.database)),
        )
        self.collector.start()
        self.folders = [folder / f"device-{index}" for index in range(devices)]
        self.devices = [
            Process(
                each.with_suffix(".said"),
                *("bench.device", "--state-dir", str(each), "--device-id", each.name),
                *("--broker", f"mqtt://127.0.0.1:{self.near_devices.port}", "--records", str(records)),
                *("--seconds", str(seconds), "--pause", str(pause), "--drain", str(_DRAIN_SECONDS)),
            )
            for each in self.folders
        ]
        for device in self.devices:
            device.start()

    @property
    def pids(self) -> dict[str, int | None]:
        """Who runs now."""
        devices = {folder.name: device.pid for folder, device in zip(self.folders, self.devices, strict=True)}
        return {"collector": self.collector.pid, **devices, "broker": self.broker.pid}

    def blows(self) -> list[tuple[float, str, Callable[[], None]]]:
        """When (a share of the time), and what, in order."""

        def again(end: Callable[[], None]) -> Callable[[], None]:
            def ended() -> None:
                end()
                time.sleep(3.0)
                self.broker.start()

            return ended

        def stall(proxy: Stalling) -> Callable[[], None]:
            def stalled() -> None:
                proxy.stall()
                threading.Timer(_STALL_SECONDS, proxy.resume).start()

            return stalled

        planned = [
            (0.12, "the broker is restarted", again(self.broker.stop)),
            (0.24, "the broker is killed", again(self.broker.kill)),
            (0.36, "the broker is restarted", again(self.broker.stop)),
            (0.48, "the broker is killed", again(self.broker.kill)),
            *((0.05 + 0.1 * n, "the devices' connections are cut", self.near_devices.cut) for n in range(9)),
            *(
                (0.10 + 0.2 * n, "the collector's connection is cut", self.near_collector.cut)
                for n in range(5)
            ),
            *((0.08 + 0.3 * n, "the devices stall", stall(self.near_devices)) for n in range(3)),
            *((0.17 + 0.3 * n, "the collector stalls", stall(self.near_collector)) for n in range(3)),
        ]
        return sorted(planned, key=lambda blow: blow[0])

    def close(self) -> None:
        """End what still runs."""
        for each in (*self.devices, self.collector):
            each.end(signal.SIGKILL)
        for proxy in (self.near_devices, self.near_collector):
            proxy.close()
        self.broker.stop()


def main() -> int:
    """Soak, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two commits of a device")
    parser.add_argument("--records", type=int, default=2000, help="of a run; a device makes many runs")
    parser.add_argument("--warm-up", type=float, default=0.2, help="share of the time that is left out")
    given = parser.parse_args()
    seconds = given.minutes * 60
    with tempfile.TemporaryDirectory(prefix="distilbench-soak-") as name:
        soak = Soak(Path(name), given.devices, seconds, given.pause, given.records)
        try:
            watch = Watch(min(seconds / 360, 10.0))
            begun = time.monotonic()
            blows = soak.blows()
            count = len(blows)
            while (gone := time.monotonic() - begun) < seconds:
                if blows and gone > blows[0][0] * seconds:
                    _, what, strike = blows.pop(0)
                    print(f"{gone / 60:5.1f} min: {what}", file=sys.stderr, flush=True)
                    strike()
                watch.look(soak.pids)
                time.sleep(0.25)
            print("\n".join(watch.table(given.warm_up * seconds / 3600)), flush=True)
            codes = [device.wait(_DRAIN_SECONDS) for device in soak.devices]
            if codes != [0] * given.devices:
                print(f"devices ended with {codes}: not everything was receipted")
                return 1
            records = sum(check(soak.database, folder.with_suffix(".log")) for folder in soak.folders)
            print(f"\n{given.minutes:.0f} minutes, {count} blows, {records:,} records: 0 lost, 0 doubled")
        except Failed as failed:
            print(failed)
            return 1
        finally:
            soak.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
