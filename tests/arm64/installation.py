"""Installs the agent in the root, again, and removes it; what changed is held against what is promised."""

from pathlib import Path
from typing import Final

import click

from tests.arm64.programs import check, step
from tests.arm64.root import DebianRoot

AGENT: Final = "runuser -u distilbench -- /opt/distilbench/current/bin/agent"
MAX_INSTALL_MB: Final = 170
"""On aarch64; onnxruntime and numpy for x86-64 are larger."""
_DOCTORS: Final = 5
_INSTALLER: Final = "/mnt/wheels/install-agent.sh"
_UNITS: Final = "/etc/systemd/system/distilbench-agent"
_DATA: Final = ("/etc/distilbench", "/var/lib/distilbench")
_OWN: Final = ("/opt/distilbench", _UNITS, *_DATA)
_ACCOUNTS: Final = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
_LEFT_BY_DEBIAN: Final = (*(f"{file}-" for file in _ACCOUNTS), "/etc/.pwd.lock")
"""Copies that useradd and userdel make of what they change, and their lock."""


class Installation:
    """The agent in a clean root.

    Args:
        root: the Debian.
        wheels: the wheelhouse, on this machine.
        config: what `collector provision` made.
        cpu: the processor that an emulator shows.
    """

    def __init__(self, root: DebianRoot, wheels: Path, config: Path, cpu: str) -> None:
        self._root = root
        self._cpu = cpu
        self._shown = {"wheels": wheels, "config": config}

    def install(self) -> None:
        """Install it, and see that it changed nothing but what it says.

        Raises:
            ProofError: it did, it is too large, or the doctor is not content with the way to the collector.
        """
        said = self._inside(f"{_INSTALLER} --config /mnt/config")
        click.echo(said, err=True)
        self._reach_the_collector()
        strange = self._others(*_OWN, *_ACCOUNTS, *_LEFT_BY_DEBIAN)
        check(not strange, f"the installer changed more than it says: {strange}")
        size = int(self._inside("du -sm /opt/distilbench/current/ | cut -f1"))
        too_large = self._root.machine == "aarch64" and size > MAX_INSTALL_MB
        check(not too_large, f"the installation takes {size} MB, and at most {MAX_INSTALL_MB} are allowed")
        step(f"the installation takes {size} MB")

    def install_again(self) -> None:
        """Install it once more, which changes nothing, not even a date.

        Raises:
            ProofError: it does.
        """
        before = self._root.tree()
        self._inside(f"{_INSTALLER} --config /mnt/config")
        after = self._root.tree()
        differ = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        check(not differ, f"installing twice changed {differ}")

    def upgrade_and_back(self) -> None:
        """Install something newer, and return to what was before.

        Raises:
            ProofError: the program is not the one that it should be.
        """
        first = self._inside("readlink /opt/distilbench/current")
        newer = (
            "cp -r /mnt/wheels /mnt/newer && cp /mnt/newer/click-*.whl /mnt/newer/click-0.1-py3-none-any.whl"
        )
        self._inside(f"{newer} && /mnt/newer/install-agent.sh")
        check(self._inside("readlink /opt/distilbench/current") != first, "nothing newer was installed")
        self._inside(f"{_INSTALLER} --rollback")
        check(self._inside("readlink /opt/distilbench/current") == first, "the way back led elsewhere")
        self._inside(f"{AGENT} --version")

    def verify_units(self) -> None:
        """See what systemd thinks of the units, where they are and with what they start.

        Raises:
            ProofError: something.
        """
        said = self._inside(f"systemd-analyze verify {_UNITS}.service {_UNITS}.timer 2>&1")
        about = [line for line in said.splitlines() if "distilbench" in line]
        check(not about, f"systemd finds fault with the units: {about}")

    def remove(self) -> None:
        """Uninstall it, which leaves results and settings, then purge it, which leaves nothing.

        Raises:
            ProofError: more is left.
        """
        self._inside(f"{_INSTALLER} --uninstall")
        left = self._others(*_DATA, *_ACCOUNTS, *_LEFT_BY_DEBIAN)
        check(not left, f"uninstalling left {left}")
        kept = [path for path in self._root.differences() if path.startswith(_DATA)]
        check(any(path.endswith("/outbox.db") for path in kept), f"uninstalling kept only {kept}")
        self._inside(f"{_INSTALLER} --purge")
        left = self._others(*_LEFT_BY_DEBIAN)
        check(not left, f"purging left {left}")

    def _reach_the_collector(self) -> None:
        # Under emulation on a busy machine a doctor's five seconds can be too short.
        for _ in range(_DOCTORS):
            said = self._inside(f"{AGENT} doctor || true")
            if "it accepts results, and its receipts arrive" in said:
                return
        check(False, f"the doctor reached no collector:\n{said}")

    def _inside(self, command: str) -> str:
        return self._root.run(command, self._shown, self._cpu)

    def _others(self, *places: str) -> list[str]:
        """What differs from the clean Debian besides these files and what is below them."""
        return [path for path in self._root.differences() if not path.startswith(places)]
