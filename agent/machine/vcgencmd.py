"""Asks a Raspberry Pi's firmware by its program `vcgencmd`; each call takes some milliseconds."""

import subprocess
from pathlib import Path
from typing import Final

_PLACES: Final = ("usr/bin/vcgencmd", "opt/vc/bin/vcgencmd")
_SECONDS: Final = 2.0


class Vcgencmd:
    """The program below a root folder, if it is there.

    Args:
        root: where the machine's programs are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._program = next((root / place for place in _PLACES if (root / place).is_file()), None)
        self.found = self._program is not None
        """Whether this machine has it."""

    def ask(self, *question: str) -> str:
        """What the program prints; nothing if it is missing, fails or hangs."""
        if self._program is None:
            return ""
        try:
            ended = subprocess.run(  # noqa: S603  # the operating system's own program, by its full path
                [self._program, *question], capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
            return ""
        return ended.stdout if ended.returncode == 0 else ""
