"""Board, chassis and processor from device tree, DMI and `/proc/cpuinfo`; the hardware class from these."""

import re
from pathlib import Path
from typing import Final

from agent.machine.system_files import read_text

_BOARDS: Final = (
    (r"Raspberry Pi (5|500|Compute Module 5)\b", "raspberry-pi-5"),
    (r"Raspberry Pi (4|400|Compute Module 4)\b", "raspberry-pi-4"),
    (r"Raspberry Pi (3|Compute Module 3)\b", "raspberry-pi-3"),
    (r"Raspberry Pi Zero 2\b", "raspberry-pi-zero-2"),
    (r"NVIDIA|Jetson", "jetson"),
)
_CHASSIS: Final = {  # SMBIOS 3.7, table 17
    **dict.fromkeys((8, 9, 10, 14, 30, 31, 32), "laptop"),
    **dict.fromkeys((3, 4, 5, 6, 7, 13, 15, 16, 24, 35, 36), "desktop"),
    **dict.fromkeys((17, 23, 25, 28, 29), "server"),
}
_VIRTUAL_VENDORS: Final = re.compile(
    r"QEMU|KVM|VMware|innotek|VirtualBox|Xen\b|Amazon EC2|Google Compute Engine|Virtual Machine|Parallels|"
    r"OpenStack|DigitalOcean|Hetzner|BHYVE|linux,dummy-virt",
    re.IGNORECASE,
)
_ARM_PARTS: Final = {  # implementer 0x41, Arm
    0xD03: "Cortex-A53",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD46: "Cortex-A510",
    0xD49: "Neoverse-N2",
    0xD4F: "Neoverse-V2",
}
_ARM: Final = 0x41


class Firmware:
    """What the firmware reports about a board."""

    def __init__(self, root: Path) -> None:
        dmi = root / "sys/class/dmi/id"
        tree = read_text(root / "proc/device-tree/model") or read_text(
            root / "sys/firmware/devicetree/base/model"
        )
        vendor, product = read_text(dmi / "sys_vendor"), read_text(dmi / "product_name")
        named = product if product.startswith(vendor) else f"{vendor} {product}"
        self.model = tree or named.strip()
        """`Raspberry Pi 5 Model B Rev 1.0`, `LENOVO 20XW…`; empty if the firmware reports none."""
        chassis = read_text(dmi / "chassis_type")
        self.chassis = int(chassis) if chassis.isdecimal() else None
        self.battery = any(
            read_text(supply) == "Battery" for supply in root.glob("sys/class/power_supply/BAT*/type")
        )
        self.android = (root / "system/build.prop").exists()


class CpuInfo:
    """`/proc/cpuinfo`, whose fields depend on the architecture."""

    def __init__(self, root: Path) -> None:
        fields: dict[str, str] = {}
        for line in read_text(root / "proc/cpuinfo").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
        self.flags = frozenset((fields.get("flags") or fields.get("Features") or "").split())
        self.is_x86 = "vendor_id" in fields
        implementer, part = (_hexadecimal(fields.get(name, "")) for name in ("CPU implementer", "CPU part"))
        self.is_software = implementer == 0
        """Arm reserves implementer 0 for software; QEMU's processor `max` reports it."""
        self.is_arm = "CPU implementer" in fields
        self.model = fields.get("model name", "") or _arm_model(implementer, part)
        """`AMD EPYC 7R13`, `Cortex-A76`; empty if it is not reported."""


def hardware_class(firmware: Firmware, cpu: CpuInfo, architecture: str) -> str:
    """One of `contract.device.HARDWARE_CLASSES`, by the most certain evidence first.

    User-mode QEMU shows either the real machine's `/proc/cpuinfo` with another architecture's `uname`, or,
    from version 8.2 on, one of its own. A processor that it imitates by name looks like the real one.
    """
    if cpu.is_software or shows_another(cpu, architecture):
        return "emulated"
    for pattern, board in _BOARDS:
        if re.search(pattern, firmware.model):
            return board
    if firmware.android:
        return "phone"
    if "hypervisor" in cpu.flags or _VIRTUAL_VENDORS.search(firmware.model):
        return "virtual-machine"
    if firmware.chassis in _CHASSIS:
        return _CHASSIS[firmware.chassis]
    return "laptop" if firmware.battery else "unknown"


def hypervisor(firmware: Firmware, cpu: CpuInfo, root: Path) -> str | None:
    """The hypervisor by its own name, or `unknown` if only the processor shows it; None if there is none."""
    kernel = read_text(root / "sys/hypervisor/type")
    named = _VIRTUAL_VENDORS.search(firmware.model)
    if named is not None:
        return named[0]
    return kernel or ("unknown" if "hypervisor" in cpu.flags else None)


def shows_another(cpu: CpuInfo, architecture: str) -> bool:
    """Whether `/proc/cpuinfo` is of another architecture than this system: that of the emulating machine."""
    x86 = re.fullmatch(r"x86_64|amd64|i[3-6]86", architecture, re.IGNORECASE) is not None
    return cpu.is_arm if x86 else cpu.is_x86


def _arm_model(implementer: int | None, part: int | None) -> str:
    if implementer is None or part is None:
        return ""
    if implementer == _ARM and part in _ARM_PARTS:
        return _ARM_PARTS[part]
    return f"ARM implementer {implementer:#x} part {part:#x}"


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
