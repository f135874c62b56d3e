"""The targets (instruction sets) that int8 is built for, and the target of this machine."""

import platform
from pathlib import Path
from typing import Final, Literal

Target = Literal["avx512_vnni", "avx2", "arm64", "portable"]

_CPUINFO: Final = Path("/proc/cpuinfo")
LARGEST_WEIGHT: Final[dict[Target, int]] = {"avx512_vnni": 127, "arm64": 127, "avx2": 63, "portable": 63}
"""Largest integer of weights by target. Without VNNI, x86 adds two products of u8 and s8 in 16 bits, which
can saturate; 2 x 255 x 63 never does. So 7-bit weights give the same integers on every instruction set."""


def this_machine(cpuinfo: Path = _CPUINFO, machine: str | None = None) -> Target:
    """The target of the machine that this runs on; `portable` if it is not known.

    Args:
        cpuinfo: file in which Linux describes the processor.
        machine: output of `uname -m`; by default that of this machine.
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
