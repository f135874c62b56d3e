"""The instruction sets that int8 is built for, and which one this machine has."""

import platform
from pathlib import Path
from typing import Final, Literal

Target = Literal["avx512_vnni", "avx2", "arm64", "portable"]

_CPUINFO: Final = Path("/proc/cpuinfo")
LARGEST_WEIGHT: Final[dict[Target, int]] = {"avx512_vnni": 127, "arm64": 127, "avx2": 63, "portable": 63}
"""Without VNNI, x86 adds two products of u8 and s8 in 16 bits, which saturate; 2 x 255 x 63 never does. So
7-bit weights give the same integers on every instruction set."""


def this_machine(cpuinfo: Path = _CPUINFO, machine: str | None = None) -> Target:
    """The target of the machine this runs on; `portable` where that is not known.

    Args:
        cpuinfo: as Linux describes the processor.
        machine: `uname -m`; by default this machine's.
    """
    machine = (machine or platform.machine()).lower()
    if machine in {"aarch64", "arm64"}:
        return "arm64"
    if machine not in {"x86_64", "amd64"} or not cpuinfo.is_file():
        return "portable"
    flags = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
    if flags & {"avx512_vnni", "avx_vnni"}:
        return "avx512_vnni"
    return "avx2" if "avx2" in flags else "portable"
