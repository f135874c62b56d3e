"""`/proc/cpuinfo`, whose fields depend on the architecture: the processor, and on some boards the board."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

from agent.machine.system_files import read_text

_ARM: Final = 0x41
_PARTS: Final[dict[int, dict[int, str]]] = {  # by implementer; names of util-linux, lscpu-arm.c
    _ARM: {
        0xC07: "Cortex-A7",
        0xC08: "Cortex-A8",
        0xC09: "Cortex-A9",
        0xC0E: "Cortex-A17",
        0xC0F: "Cortex-A15",
        0xD01: "Cortex-A32",
        0xD02: "Cortex-A34",
        0xD03: "Cortex-A53",
        0xD04: "Cortex-A35",
        0xD05: "Cortex-A55",
        0xD07: "Cortex-A57",
        0xD08: "Cortex-A72",
        0xD09: "Cortex-A73",
        0xD0A: "Cortex-A75",
        0xD0B: "Cortex-A76",
        0xD0C: "Neoverse-N1",
        0xD0D: "Cortex-A77",
        0xD0E: "Cortex-A76AE",
        0xD40: "Neoverse-V1",
        0xD41: "Cortex-A78",
        0xD42: "Cortex-A78AE",
        0xD44: "Cortex-X1",
        0xD46: "Cortex-A510",
        0xD47: "Cortex-A710",
        0xD48: "Cortex-X2",
        0xD49: "Neoverse-N2",
        0xD4A: "Neoverse-E1",
        0xD4B: "Cortex-A78C",
        0xD4C: "Cortex-X1C",
        0xD4D: "Cortex-A715",
        0xD4E: "Cortex-X3",
        0xD4F: "Neoverse-V2",
        0xD80: "Cortex-A520",
        0xD81: "Cortex-A720",
        0xD82: "Cortex-X4",
        0xD84: "Neoverse-V3",
        0xD85: "Cortex-X925",
        0xD87: "Cortex-A725",
        0xD8E: "Neoverse-N3",
    },
    0x4E: {0x003: "Denver 2", 0x004: "Carmel"},
    0x51: {
        0x800: "Falkor-V1/Kryo",
        0x801: "Kryo-V2",
        0x802: "Kryo-3XX-Gold",
        0x803: "Kryo-3XX-Silver",
        0x804: "Kryo-4XX-Gold",
        0x805: "Kryo-4XX-Silver",
        0xC00: "Falkor",
    },
    0x61: {0x022: "Icestorm-M1", 0x023: "Firestorm-M1", 0x032: "Blizzard-M2", 0x033: "Avalanche-M2"},
    0xC0: {0xAC3: "Ampere-1", 0xAC4: "Ampere-1a"},
}
_NO_BOARD: Final = re.compile(r"BCM\d+$|Generic\b")
"""What kernels write as `Hardware` of any board."""
_NEW_STYLE: Final = 1 << 23
"""A Raspberry Pi's revision code with this bit has fields (Raspberry Pi documentation, "Revision codes")."""
_TYPES: Final = {
    0x04: "2 Model B",
    0x08: "3 Model B",
    0x0A: "Compute Module 3",
    0x0D: "3 Model B Plus",
    0x0E: "3 Model A Plus",
    0x10: "Compute Module 3 Plus",
    0x11: "4 Model B",
    0x12: "Zero 2 W",
    0x13: "400",
    0x14: "Compute Module 4",
    0x15: "Compute Module 4S",
    0x17: "5 Model B",
    0x18: "Compute Module 5",
    0x19: "500",
    0x1A: "Compute Module 5 Lite",
}


class CpuInfo:
    """The processor, as `/proc/cpuinfo` describes it."""

    def __init__(self, root: Path) -> None:
        text = read_text(root / "proc/cpuinfo")
        fields = _fields(text)
        self.flags = frozenset((fields.get("flags") or fields.get("Features") or "").split())
        self.is_x86 = "vendor_id" in fields
        self.is_software = _hexadecimal(fields.get("CPU implementer")) == 0
        """Arm reserves implementer 0 for software; QEMU's processor `max` reports it."""
        self.is_arm = "CPU implementer" in fields
        self.model = _arm_cores(text) or fields.get("model name") or fields.get("uarch", "")
        """`AMD EPYC 7R13`, `Cortex-A76`, `4 Cortex-A55 + 4 Cortex-A76`; empty if it is not reported."""


def board_named_by_kernel(root: Path) -> str:
    """The board by `/proc/cpuinfo`, which shows it in containers too; empty if it names none."""
    fields = _fields(read_text(root / "proc/cpuinfo"))
    hardware = fields.get("Hardware", "")
    return (
        fields.get("Model")
        or _raspberry_pi(_hexadecimal(fields.get("Revision")))
        or ("" if _NO_BOARD.match(hardware) else hardware)
    )


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


def _arm_cores(text: str) -> str:
    """The kinds of Arm cores, each with its number if there are several; empty if there are none."""
    kinds: Counter[str] = Counter()
    for block in text.split("\n\n"):
        fields = _fields(block)
        implementer, part = (_hexadecimal(fields.get(name)) for name in ("CPU implementer", "CPU part"))
        if implementer is not None and part is not None:
            known = _PARTS.get(implementer, {}).get(part) or fields.get("model name")
            kinds[known or f"ARM implementer {implementer:#x} part {part:#x}"] += 1
    if len(kinds) == 1:
        return next(iter(kinds))
    return " + ".join(f"{number} {kind}" for kind, number in kinds.items())


def _raspberry_pi(revision: int | None) -> str:
    if revision is None or not revision & _NEW_STYLE:
        return ""
    model = _TYPES.get(revision >> 4 & 0xFF)
    return f"Raspberry Pi {model} Rev 1.{revision & 0xF}" if model else ""


def _hexadecimal(text: str | None) -> int | None:
    try:
        return int(text or "", 16)
    except ValueError:
        return None
