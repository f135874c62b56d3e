"""Board and chassis from device tree, DMI and `/proc/cpuinfo`; the hardware class from these."""

import re
from pathlib import Path
from typing import Final

from agent.machine.cpu_info import CpuInfo, board_named_by_kernel
from agent.machine.system_files import read_text

_BOARDS: Final = (
    # A number may be followed by letters: Compute Module 4S, Raspberry Pi 3 Model B+.
    (r"Raspberry Pi (Compute Module )?5(00)?(?!\d)", "raspberry-pi-5"),
    (r"Raspberry Pi (Compute Module )?4(00)?(?!\d)", "raspberry-pi-4"),
    (r"Raspberry Pi (Compute Module )?3(?!\d)", "raspberry-pi-3"),
    (r"Raspberry Pi Zero 2(?!\d)", "raspberry-pi-zero-2"),
    (r"\bJetson\b|\bNVIDIA (Orin|Thor|Xavier)\b", "jetson"),
)
_SYSTEMS_ON_CHIP: Final = (  # of boards that have a name of their own, as in the device tree's `compatible`
    ("brcm,bcm2712", "raspberry-pi-5"),
    ("brcm,bcm2711", "raspberry-pi-4"),
    ("nvidia,tegra", "jetson"),
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


class Firmware:
    """What the firmware reports about a board."""

    def __init__(self, root: Path) -> None:
        dmi = root / "sys/class/dmi/id"
        vendor, product = read_text(dmi / "sys_vendor"), read_text(dmi / "product_name")
        named = product if product.startswith(vendor) else f"{vendor} {product}"
        tree = _tree(root, "model")
        chip = read_text(root / "sys/devices/soc0/machine")  # Docker masks the device tree, and not this
        self.model = tree or named.strip() or chip or board_named_by_kernel(root)
        """`Raspberry Pi 5 Model B Rev 1.0`, `LENOVO 20XW…`; empty if neither firmware nor kernel names it."""
        self.compatible = tuple(_tree(root, "compatible").split("\0"))
        """What the device tree says the board is compatible with, most special first; empty without one."""
        chassis = read_text(dmi / "chassis_type")
        self.chassis = int(chassis) if chassis.isdecimal() else None
        self.battery = any(
            read_text(supply) == "Battery" for supply in root.glob("sys/class/power_supply/BAT*/type")
        )
        self.android = (root / "system/build.prop").exists()


def hardware_class(firmware: Firmware, cpu: CpuInfo, architecture: str) -> str:
    """One of `contract.device.HARDWARE_CLASSES`, by the most certain evidence first.

    User-mode QEMU shows either the real machine's `/proc/cpuinfo` with another architecture's `uname`, or,
    from version 8.2 on, one of its own. A processor that it imitates by name looks like the real one.
    """
    if cpu.is_software or shows_another(cpu, architecture):
        return "emulated"
    for pattern, board in _BOARDS:
        if re.search(pattern, firmware.model, re.IGNORECASE):
            return board
    for chip, board in _SYSTEMS_ON_CHIP:
        if any(name.startswith(chip) for name in firmware.compatible):
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


def _tree(root: Path, name: str) -> str:
    # The first is a link to the second, and containers may show either, both or none.
    return read_text(root / "proc/device-tree" / name) or read_text(
        root / "sys/firmware/devicetree/base" / name
    )
