"""Describes this machine by its operating system and firmware: no serial number, no user name.

Everything is read below a root folder, so a captured `/proc` and `/sys` tree is a machine for the tests.
"""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from agent.machine.firmware import CpuInfo, Firmware, hardware_class, shows_another
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
        model=_shortened(firmware.model) or "unknown",
        architecture=architecture,
        cpu_model=_shortened(cpu.model) or "unknown",
        cpu_flags=tuple(sorted(_flags(cpu, architecture, root) & DECISIVE_FLAGS)),
        cores=usable_cores(root),
        memory_bytes=_memory_bytes(root),
        os=_shortened(_os_name(root)),
        kernel=_shortened(read_text(root / "proc/sys/kernel/osrelease") or platform.release()),
        governor=read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        versions={"python": platform.python_version(), **_versions()},
    )


def agent_version() -> str:
    """The version of this program; `not installed` when it runs from its source folder."""
    return _version("distilbench")


def usable_cores(root: Path = Path("/")) -> int:
    """Number of logical cores that this process may use."""
    return len(usable_core_numbers(root))


def usable_core_numbers(root: Path = Path("/")) -> frozenset[int]:
    """The logical cores that this process may use."""
    allowed = read_field(root / "proc/self/status", "Cpus_allowed_list:")
    return cores_of(allowed) if allowed is not None else frozenset(range(os.cpu_count() or 1))


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
    """Number of cores that share no arithmetic units, among those that this process may use."""
    siblings = {
        text
        for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list")
        if (text := read_text(path))
    }
    return min(len(siblings) or usable_cores(root), usable_cores(root))


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
