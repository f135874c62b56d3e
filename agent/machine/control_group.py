"""The processor time that this process's control groups allow, as containers and systemd services have one.

A group that has used up its time is stopped until the next period begins, tens of milliseconds later. The
limits of all groups up to the root apply, so the smallest one counts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from agent.machine.system_files import read_field, read_text

_TOP: Final = "sys/fs/cgroup"
_CPUSETS: Final = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")


class Quota(NamedTuple):
    """A limit on processor time."""

    cores: float
    """Cores that may work at a time, on average over a period; often not a whole number."""
    group: Path
    """The folder of the group that has the limit."""

    def stops(self) -> int:
        """How many times the group was stopped since it exists, because its time was used up."""
        field = read_field(self.group / "cpu.stat", "nr_throttled ")
        return int(field) if field and field.isdecimal() else 0


def groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's groups for one controller, in version 2 or 1, each before its parent.

    Args:
        root: where `/proc` and `/sys` are.
        controller: `cpu`, `cpuset` or `memory`.
    """
    for line in read_text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        listed, colon, place = rest.partition(":")
        if not (number.isdecimal() and colon) or controller not in (listed or controller).split(","):
            continue
        # Version 1 mounts controllers that belong together in one folder, and links to it from their names.
        for name in dict.fromkeys((listed, controller if listed else "")):
            yield from _upwards(root / _TOP / name, place.strip("/").split("/"))


def _upwards(top: Path, place: list[str]) -> Iterator[Path]:
    """The folders of a group and of those around it.

    A container may see only its own group, mounted at the top, but read its place on the whole machine. So
    each end of the place may be a place below the top.
    """
    seen: set[Path] = set()
    for start in range(len(place)):
        group = top.joinpath(*place[start:])
        while group.is_relative_to(top):
            if group not in seen:
                yield group
            seen.add(group)
            group = group.parent


def quota(root: Path = Path("/")) -> Quota | None:
    """The smallest limit on the processor time of this process; None without a limit."""
    found = (found for group in groups(root, "cpu") if (found := _quota(group)) is not None)
    return min(found, key=lambda limit: limit.cores, default=None)


def cpusets(root: Path) -> list[str]:
    """The cores of each group that names some, as a list such as `0,2-3`."""
    found = ((read_text(group / file) for file in _CPUSETS) for group in groups(root, "cpuset"))
    return [named for texts in found if (named := next(filter(None, texts), ""))]


def _quota(group: Path) -> Quota | None:
    time, _, period = read_text(group / "cpu.max").partition(" ")
    if not time:
        time = read_text(group / "cpu.cfs_quota_us")
        period = read_text(group / "cpu.cfs_period_us")
    try:
        cores = int(time) / int(period)
    except (ValueError, ZeroDivisionError):  # `max`, or no such file
        return None
    return Quota(cores, group) if cores > 0 else None  # version 1 writes -1 for no limit
