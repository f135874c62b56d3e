"""The description of a machine that measures."""

from typing import Final

import msgspec

from contract.codec import printable
from contract.errors import Malformed
from contract.fields import Bytes, Count, DeviceId, Name, Text

HARDWARE_CLASSES: Final = (
    "raspberry-pi-5",
    "raspberry-pi-4",
    "raspberry-pi-3",
    "raspberry-pi-zero-2",
    "jetson",
    "phone",
    "laptop",
    "desktop",
    "server",
    "virtual-machine",
    "emulated",
    "unknown",
)
"""The classes that the agent detects. Results are compared within a class. A user may name another class."""
_SHOWN_CHARS: Final = 80


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A machine, as its operating system and firmware describe it. No serial number, no user name."""

    device_id: DeviceId
    hardware_class: Name
    class_named: bool = False
    """Whether the user named the class; otherwise it was detected."""
    model: Text
    """`Raspberry Pi 5 Model B Rev 1.0`, or what the firmware calls the board."""
    architecture: Name
    """`uname -m`: x86_64, aarch64, …"""
    cpu_model: Text
    cpu_flags: tuple[Name, ...]
    """The instruction sets that decide how int8 runs, such as avx512_vnni or asimddp, and no others."""
    cores: Count
    """Logical cores that the agent may use, or the whole cores of its quota if these are fewer."""
    memory_bytes: Bytes
    os: Text
    kernel: Text
    hypervisor: Name | None = None
    """The hypervisor that the machine runs under, or `unknown`; None if there is none, and in version 1."""
    governor: str | None = None
    """CPU frequency governor; None if the kernel shows none."""
    versions: dict[str, str]
    """Versions of Python, distilbench, onnxruntime, tokenizers and numpy."""


def checked_device_id(text: str) -> str:
    """Return the text if it is a device id.

    Raises:
        Malformed: it is not a device id.
    """
    try:
        return msgspec.convert(text, DeviceId)
    except msgspec.ValidationError:
        raise Malformed(
            f"'{printable(text)[:_SHOWN_CHARS]}' is not a device id: use 1 to 63 of a-z, 0-9, '.', '_' and "
            "'-', beginning with a letter or digit"
        ) from None
