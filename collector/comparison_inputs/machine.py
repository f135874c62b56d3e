"""The machine type of a device: devices of one type are units of it, and share the rows of a report."""

import re
from typing import Final, NamedTuple

from commandline.counted import counted
from contract.device import HARDWARE_CLASSES, Device

_WORDS: Final = {
    "raspberry-pi-5": "Raspberry Pi 5",
    "raspberry-pi-4": "Raspberry Pi 4",
    "raspberry-pi-3": "Raspberry Pi 3",
    "raspberry-pi-zero-2": "Raspberry Pi Zero 2",
    "jetson": "Jetson",
    "phone": "Phone",
    "laptop": "Laptop",
    "desktop": "Desktop",
    "server": "Server",
    "virtual-machine": "Virtual machine",
    "emulated": "Emulated hardware",
    "unknown": "Unknown hardware",
}
_BOARDS: Final = frozenset(
    {"raspberry-pi-5", "raspberry-pi-4", "raspberry-pi-3", "raspberry-pi-zero-2", "jetson", "phone"}
)
"""The classes whose model, as the firmware calls it, determines the processor."""
_UNKNOWN: Final = "unknown"
_REVISION: Final = re.compile(r"(?<!\s)\s+Rev\s+[\w.]+$")  # found in linear time: a device sends any text
_MARKS: Final = re.compile(r"\((?:R|TM)\)|\bCPU\b|\bProcessor\b", re.IGNORECASE)
_NOT_IN_KEY: Final = re.compile(r"[^\w.]+")


class Machine(NamedTuple):
    """A type of machine."""

    key: str
    """The label in lower case with hyphens, which is easy to type."""
    label: str
    """Names the type in a report, as in `Raspberry Pi 5 Model B, 4 cores`."""


def machine_of(device: Device) -> Machine:
    """Determine the type of a device's machine.

    A class that the user named is a type by itself. The type of a board is its model without its revision,
    and its usable cores; that of any other machine is its class, processor and usable cores. If the class is
    not known, the model takes its place, since boards with equal processors can be unlike. A virtual
    machine's class is `virtual-machine`, and its hypervisor belongs to its type if the device names it.
    Governor, kernel and versions of programs are not part of it.
    """
    if device.class_named or device.hardware_class not in HARDWARE_CLASSES:
        return named(device.hardware_class)
    words = _WORDS[device.hardware_class]
    cores = counted(device.cores, "core")
    if device.hardware_class in _BOARDS and _known(device.model):
        return named(f"{without_revision(device.model)}, {cores}")
    if device.hardware_class == _UNKNOWN and _known(device.model):
        processor = _processor(device) if _known(device.cpu_model) else device.architecture
        return named(f"{without_revision(device.model)}, {processor}, {cores}")
    hypervisor = None if device.hypervisor == _UNKNOWN else device.hypervisor
    parts = (words, _processor(device), cores, hypervisor)
    return named(", ".join(part for part in parts if part))


def named(label: str) -> Machine:
    """Make a machine type from its label."""
    return Machine(_NOT_IN_KEY.sub("-", label.casefold()).strip("-"), label)


def _known(text: str) -> bool:
    return text.casefold() not in {"", _UNKNOWN}


def without_revision(model: str) -> str:
    """Return the model of a board without the revision, which `Raspberry Pi 5 Model B Rev 1.1` ends with."""
    return _REVISION.sub("", model.strip())


def _processor(device: Device) -> str:
    """Return the processor's name; where it is not known, the model of the machine or its architecture."""
    if _known(device.cpu_model):
        return " ".join(_MARKS.sub(" ", device.cpu_model).split())
    if _known(device.model):
        return f"{device.model} {device.architecture}"
    return device.architecture
