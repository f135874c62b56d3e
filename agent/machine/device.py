"""Describes this machine by its operating system and firmware: no serial number, no user name.

Everything is read below a root folder, so a captured `/proc` and `/sys` tree is a machine for the tests.
"""

import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from agent.machine.control_group import cpusets, quota
from agent.machine.cpu_info import CpuInfo
from agent.machine.firmware import Firmware, hardware_class, hypervisor, shows_another
from agent.machine.hwcap import arm64_features
from agent.machine.system_files import read_field, read_kib, read_text
from contract.codec import printable
from contract.device import Device

DECISIVE_FLAGS: Final = frozenset(
    {
        *("avx", "avx2", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "avx512_bf16"),
        *("amx_tile", "amx_int8", "amx_bf16"),
        *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "svei8mm", "sme"),
    }
)
"""Instruction sets that decide which kernels onnxruntime uses for int8 and fp32."""

_VERSIONS: Final = ("distilbench", "onnxruntime", "tokenizers", "numpy")
_MODEL_CHARS: Final = 200


def inspect_device(
    device_id: str,
    hardware: str | None = None,
    root: Path = Path("/"),
    architecture: str | None = None,
) -> Device:
    """Describe a machine.

    Args:
        device_id: its name in messages.
        hardware: a hardware class to use instead of the detected one.
        root: where its `/proc`, `/sys` and `/etc` are.
        architecture: `uname -m`; None for this machine's.
    """
    architecture = architecture or platform.machine() or "unknown"
    firmware = Firmware(root)
    cpu = CpuInfo(root)
    return Device(
        device_id=device_id,
        hardware_class=hardware or hardware_class(firmware, cpu, architecture),
        class_named=hardware is not None,
        model=_shortened(firmware.model) or "unknown",
        architecture=architecture,
        cpu_model=_shortened(cpu.model) or "unknown",
        cpu_flags=tuple(sorted(_flags(cpu, architecture, root) & DECISIVE_FLAGS)),
        cores=usable_cores(root),
        memory_bytes=_memory_bytes(root),
        os=_shortened(_os_name(root)),
        kernel=_shortened(read_text(root / "proc/sys/kernel/osrelease") or platform.release()),
        hypervisor=hypervisor(firmware, cpu, root),
        governor=read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        versions={"python": platform.python_version(), **_versions()},
    )


def agent_version() -> str:
    """The version of this program; `not installed` when it runs from its source folder."""
    return _version("distilbench")


def usable_cores(root: Path = Path("/")) -> int:
    """Number of logical cores that this process may keep busy: its cores, or fewer if a quota allows fewer.

    A quota counts as whole cores, and as at least one: a thread more would be stopped in each period.
    """
    return _within_quota(len(usable_core_numbers(root)), root)


def usable_core_numbers(root: Path = Path("/")) -> frozenset[int]:
    """The logical cores that this process may run on."""
    listed = read_field(root / "proc/self/status", "Cpus_allowed_list:")
    allowed = cores_of(listed) if listed is not None else frozenset(range(os.cpu_count() or 1))
    # A process without restrictions may run on cores that are off, and on some that the machine lacks.
    for text in (read_text(root / "sys/devices/system/cpu/online"), *cpusets(root)):
        with suppress(ValueError):
            allowed = allowed & cores_of(text) or allowed
    return allowed


def core_list(cores: Iterable[int]) -> str:
    """Write cores as `cores_of` reads them: `0,2-3`."""
    ranges: list[list[int]] = []
    for core in sorted(cores):
        if ranges and core == ranges[-1][-1] + 1:
            ranges[-1][1:] = [core]
        else:
            ranges.append([core])
    return ",".join("-".join(map(str, ends)) for ends in ranges)


def cores_of(text: str) -> frozenset[int]:
    """The cores in a list such as `0,2-3`, as `taskset` and the kernel write it.

    Raises:
        ValueError: the text is not such a list.
    """
    cores: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin, end = int(first), int(last) if dash else int(first)
        if not 0 <= begin <= end:
            raise ValueError(text)
        cores.update(range(begin, end + 1))
    return frozenset(cores)


def physical_cores(root: Path = Path("/")) -> int:
    """Number of cores that share no arithmetic units, among those that this process may keep busy."""
    topology = root / "sys/devices/system/cpu"
    siblings = {
        read_text(topology / f"cpu{core}/topology/thread_siblings_list") or core
        for core in usable_core_numbers(root)
    }
    return _within_quota(len(siblings), root)


def _within_quota(cores: int, root: Path) -> int:
    limit = quota(root)
    return cores if limit is None else min(cores, max(1, int(limit.cores)))


def _flags(cpu: CpuInfo, architecture: str, root: Path) -> frozenset[str]:
    if not shows_another(cpu, architecture):
        return cpu.flags
    return arm64_features(root) if architecture == "aarch64" else frozenset()


def _memory_bytes(root: Path) -> int:
    known = read_kib(root / "proc/meminfo", "MemTotal:")
    return known if known is not None else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _os_name(root: Path) -> str:
    name = read_field(root / "etc/os-release", "PRETTY_NAME=")
    return name.strip("\"'") if name is not None else f"{platform.system()} {platform.release()}"


def _versions() -> dict[str, str]:
    return {name: _version(name) for name in _VERSIONS}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _shortened(text: str) -> str:
    return printable(" ".join(text.split()))[:_MODEL_CHARS]
