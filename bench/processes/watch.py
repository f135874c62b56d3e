"""Memory, open files and processor time of processes over time."""

import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench.processes.slopes import STRETCHES, fit, stretches

_AFTERMATH_HOURS: Final = 2 / 60
_BEGINNING: Final = "they began"


class Sample(NamedTuple):
    """Memory, open files and processor time of a process at one moment."""

    at: float
    """Hours since the start."""
    pid: int
    megabytes: float
    own: float
    """Its own megabytes: without the pages of files, which the system can take back at any time."""
    descriptors: int
    cpu_seconds: float


def _own_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024 / 1e6


class Watch:
    """Samples processes, which may be restarted between two samples."""

    def __init__(self, every_seconds: float) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self._every_seconds = every_seconds
        self._begun = self._due_at = time.monotonic()
        self._events: list[tuple[float, str]] = [(0.0, _BEGINNING)]

    def note(self, what: str) -> None:
        """Record a fault that happens to the processes now."""
        self._events.append(((time.monotonic() - self._begun) / 3600, what))

    def look(self, pids: dict[str, int | None]) -> None:
        """Sample each process if the next sample is due."""
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
        """A row per process: how long its last start was watched after the warm-up, and its slopes."""
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
                lines.append(f"| {name} | watched too briefly for a slope | | | | | | |")
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
        return [*lines, "", "Its own MB by stretch, to show whether it keeps growing:", *courses]

    def growth(self) -> list[str]:
        """A row per kind of fault: by how much the own memory of each process grew after it.

        Growth counts for a fault for two minutes, or until the next one.
        """
        grown: defaultdict[tuple[str, str], float] = defaultdict(float)
        for name, samples in self.samples.items():
            for before, after in pairwise(samples):
                if before.pid == after.pid:
                    grown[self._wake(after.at), name] += after.own - before.own
        lines = [
            f"| its own, MB more in the two minutes after | times | {' | '.join(self.samples)} |",
            f"|---|--:|{'--:|' * len(self.samples)}",
        ]
        times = Counter(what for _, what in self._events)
        for what in (*times, ""):
            cells = " | ".join(f"{grown[what, name]:+.2f}" for name in self.samples)
            lines.append(f"| {what or 'at all other times'} | {times[what] or ''} | {cells} |")
        return lines

    def _wake(self, at: float) -> str:
        since, what = max((event for event in self._events if event[0] <= at), key=lambda event: event[0])
        return what if at - since <= _AFTERMATH_HOURS else ""
