"""Reads the auxiliary vector, in which the kernel or an emulator describes the processor to each program.

Under user-mode QEMU `/proc/cpuinfo` describes the real machine, and the vector the emulated processor.
"""

import struct
from pathlib import Path
from typing import Final

# Linux: include/uapi/linux/auxvec.h, arch/arm64/include/uapi/asm/hwcap.h
_AT_HWCAP: Final = 16
_AT_HWCAP2: Final = 26
_ARM64: Final = {
    (_AT_HWCAP, 1): "asimd",
    (_AT_HWCAP, 10): "asimdhp",
    (_AT_HWCAP, 20): "asimddp",
    (_AT_HWCAP, 22): "sve",
    (_AT_HWCAP2, 1): "sve2",
    (_AT_HWCAP2, 9): "svei8mm",
    (_AT_HWCAP2, 13): "i8mm",
    (_AT_HWCAP2, 14): "bf16",
    (_AT_HWCAP2, 23): "sme",
}
_PAIR: Final = struct.Struct("<QQ")


def arm64_features(root: Path) -> frozenset[str]:
    """Instruction sets of an arm64 processor, as `/proc/cpuinfo` would name them; empty if unknown.

    Args:
        root: where `/proc` is.
    """
    try:
        vector = (root / "proc/self/auxv").read_bytes()
    except OSError:
        return frozenset()
    words = dict(_PAIR.iter_unpack(vector[: len(vector) // _PAIR.size * _PAIR.size]))
    return frozenset(name for (word, bit), name in _ARM64.items() if words.get(word, 0) >> bit & 1)
