"""A disk that can be full: a file system in memory, which only root can mount."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_ENOUGH: Final = "2g"


class Disk:
    """A folder that is a disk of its own; without root it is an ordinary folder, which is never full.

    Args:
        folder: the folder to make.

    Raises:
        SystemExit: nothing can be mounted, on CI, where it must be possible.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._mounted = self._mount("-t", "tmpfs", "-o", f"size={_ENOUGH}", "tmpfs")
        if not self._mounted:
            if os.environ.get("CI") == "true":
                raise SystemExit("bench: a tmpfs cannot be mounted, and CI=true")
            print("bench: disks are not filled, since that needs root", file=sys.stderr)

    def fill(self) -> None:
        """Leave no free byte: a size below what was written meanwhile is refused, and measured again."""
        if self._mounted:
            while not self._mount("-o", f"remount,size={self._used()}"):
                pass

    def free(self) -> None:
        """Make room again."""
        if self._mounted:
            assert self._mount("-o", f"remount,size={_ENOUGH}")

    def close(self) -> None:
        """Unmount it; what it holds is lost."""
        if self._mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=True)  # noqa: S603, S607

    def _used(self) -> int:
        found = os.statvfs(self.folder)
        blocks = max(found.f_blocks - found.f_bfree, 1)  # a size of 0 would be no limit
        return blocks * found.f_frsize

    def _mount(self, *options: str) -> bool:
        command = ["mount", *options, str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
