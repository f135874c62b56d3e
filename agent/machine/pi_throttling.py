"""What slows a Raspberry Pi down: bits of its firmware, by the kernel or by `vcgencmd`.

A container or an ordinary user may have neither the kernel's file nor the rights for `vcgencmd`. What cannot
be read is unknown, and never "not throttled".
"""

from pathlib import Path
from typing import Final

from agent.machine.firmware import Firmware
from agent.machine.system_files import read_number
from agent.machine.vcgencmd import Vcgencmd
from contract.records import Mark

_BITS: Final[dict[int, Mark]] = {  # of `vcgencmd get_throttled`; each again at bit + 16, since boot
    0: "under_voltage",
    1: "frequency_capped",
    2: "throttled",
    3: "soft_temperature_limit",
}
_SINCE_BOOT: Final = 16
# The folder's name has an address on some boards: soc@107c000000/soc@107c000000:firmware.
_KERNEL: Final = "sys/devices/platform/soc*/*:firmware/get_throttled"


class PiThrottling:
    """Reads the bits again and again; on other machines there is nothing to read.

    Args:
        root: where the machine's `/proc` and `/sys` are, and its programs.
    """

    def __init__(self, root: Path) -> None:
        board = Firmware(root)
        self._is_pi = "Raspberry Pi" in board.model or any("brcm,bcm27" in name for name in board.compatible)
        self._file = next(iter(sorted(root.glob(_KERNEL))), None)
        self._vcgencmd = Vcgencmd(root)
        self._seen = self._bits()

    def acting(self) -> frozenset[Mark] | None:
        """What slows the board now, or did since the previous call; None if it cannot be read."""
        bits = self._bits()
        if bits is None:
            return None
        # The bits since boot never fall, so one that rose shows throttling between two readings.
        rose = 0 if self._seen is None else bits >> _SINCE_BOOT & ~(self._seen >> _SINCE_BOOT)
        self._seen = bits
        return _marks(bits | rose)

    def since_boot(self) -> frozenset[Mark] | None:
        """What has slowed the board at any time since it started; None if it cannot be read."""
        bits = self._bits()
        return None if bits is None else _marks(bits | bits >> _SINCE_BOOT)

    def obstacle(self) -> tuple[str, str] | None:
        """Why a Raspberry Pi's bits cannot be read, and what to do; None if they can, or if it is no Pi."""
        if not self._is_pi or self._bits() is not None:
            return None
        if not self._vcgencmd.found:
            advice = "install it (Raspberry Pi OS: raspi-utils, Ubuntu: libraspberrypi-bin)"
        else:
            advice = (
                "add the user to the group video (sudo usermod -aG video $USER, then log in again); a "
                "container needs --device /dev/vcio"
            )
        return self._vcgencmd.problem or "the firmware gives none", advice

    def _bits(self) -> int | None:
        bits = None if self._file is None else read_number(self._file, 16)
        if bits is None and self._vcgencmd.found:
            bits = _number(self._vcgencmd.ask("get_throttled"))
        return bits


def _marks(bits: int) -> frozenset[Mark]:
    return frozenset(mark for bit, mark in _BITS.items() if bits >> bit & 1)


def _number(output: str) -> int | None:
    """The bits in `throttled=0x50005`."""
    name, _, value = output.strip().partition("=")
    try:
        return int(value, 16) if name == "throttled" else None
    except ValueError:
        return None
