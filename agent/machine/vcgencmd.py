"""Asks a Raspberry Pi's firmware by its program `vcgencmd`; each call takes some milliseconds."""

import subprocess
from pathlib import Path
from typing import Final

from contract.codec import printable

_PLACES: Final = ("usr/bin/vcgencmd", "opt/vc/bin/vcgencmd")
_SECONDS: Final = 2.0
_SHOWN_CHARS: Final = 60


class Vcgencmd:
    """The program below a root folder, if it is there.

    Args:
        root: where the machine's programs are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._program = next((root / place for place in _PLACES if (root / place).is_file()), None)
        self.found = self._program is not None
        """Whether this machine has it."""
        self.problem = "vcgencmd is not installed"
        """Why the latest question has no answer; empty if it has one."""

    def ask(self, *question: str) -> str:
        """What the program prints; nothing if it is missing, fails or hangs."""
        if self._program is None:
            return ""
        try:
            ended = subprocess.run(  # noqa: S603  # the operating system's own program, by its full path
                [self._program, *question], capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
            self.problem = "vcgencmd does not run"
            return ""
        said = (ended.stdout + ended.stderr).strip().splitlines() or [f"exit status {ended.returncode}"]
        # Some versions report an error and exit with 0; every answer has a name and a value.
        failed = ended.returncode != 0 or "=" not in ended.stdout
        self.problem = f"vcgencmd says '{printable(said[-1])[:_SHOWN_CHARS]}'" if failed else ""
        return "" if failed else ended.stdout
