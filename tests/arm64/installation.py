"""Installs the agent in the root, again, and removes it, and checks that it changes only what it should."""

from pathlib import Path
from typing import Final

import click

from tests.arm64.programs import check, step
from tests.arm64.root import DebianRoot

AGENT: Final = "runuser -u distilbench -- /opt/distilbench/current/bin/agent"
MAX_INSTALL_MB: Final = 170
"""Largest size of an installation on aarch64, in MB; onnxruntime and numpy for x86-64 are larger."""
_DOCTORS: Final = 5
"""Number of attempts to reach the collector with `agent doctor`."""
_INSTALLER: Final = "/mnt/wheels/install-agent.sh"
_UNITS: Final = "/etc/systemd/system/distilbench-agent"
_DATA: Final = ("/etc/distilbench", "/var/lib/distilbench")
_OWN: Final = ("/opt/distilbench", _UNITS, *_DATA)
_ACCOUNTS: Final = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
_LEFT_BY_DEBIAN: Final = (*(f"{file}-" for file in _ACCOUNTS), "/etc/.pwd.lock")
"""Backups that useradd and userdel make of the files that they change, and their lock."""


class Installation:
    """The agent in a clean root.

    Args:
        root: the Debian.
        wheels: the wheelhouse, on this machine.
        config: the folder that `collector provision` made.
        cpu: the CPU that an emulator emulates.
    """

    def __init__(self, root: DebianRoot, wheels: Path, config: Path, cpu: str) -> None:
        self._root = root
        self._cpu = cpu
        self._shown = {"wheels": wheels, "config": config}

    def install(self) -> None:
        """Install the agent, and check that only the documented paths changed.

        Raises:
            ProofError: something else changed, the installation is too large, or the doctor cannot reach the
                collector.
        """
        click.echo(self._inside(f"{_INSTALLER} --config /mnt/config"), err=True)
        self._reach_the_collector()
        strange = self._others(*_OWN, *_ACCOUNTS, *_LEFT_BY_DEBIAN)
        check(not strange, f"the installer changed more than its own paths: {strange}")
        size = int(self._inside("du -sm /opt/distilbench/current/ | cut -f1"))
        too_large = self._root.machine == "aarch64" and size > MAX_INSTALL_MB
        check(not too_large, f"the installation takes {size} MB, but at most {MAX_INSTALL_MB} MB are allowed")
        step(f"the installation takes {size} MB")

    def install_again(self) -> None:
        """Install the agent again, and check that nothing changed, not even a date.

        Raises:
            ProofError: something changed.
        """
        before = self._root.tree()
        self._inside(f"{_INSTALLER} --config /mnt/config")
        after = self._root.tree()
        differ = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        check(not differ, f"installing again changed {differ}")

    def upgrade_and_back(self) -> None:
        """Install a newer version, and roll back to the previous one.

        Raises:
            ProofError: the installed version is not the expected one.
        """
        first = self._inside("readlink /opt/distilbench/current")
        newer = (
            "cp -r /mnt/wheels /mnt/newer && cp /mnt/newer/click-*.whl /mnt/newer/click-0.1-py3-none-any.whl"
        )
        self._inside(f"{newer} && /mnt/newer/install-agent.sh")
        check(
            self._inside("readlink /opt/distilbench/current") != first, "the newer version is not installed"
        )
        self._inside(f"{_INSTALLER} --rollback")
        check(
            self._inside("readlink /opt/distilbench/current") == first,
            "the rollback restored another version",
        )
        self._inside(f"{AGENT} --version")

    def verify_units(self) -> None:
        """Check the installed units with `systemd-analyze verify`.

        Raises:
            ProofError: systemd reports a problem.
        """
        output = self._inside(f"systemd-analyze verify {_UNITS}.service {_UNITS}.timer 2>&1")
        problems = [line for line in output.splitlines() if "distilbench" in line]
        check(not problems, f"systemd reports problems of the units: {problems}")

    def remove(self) -> None:
        """Uninstall the agent, which must keep only results and settings, then purge it, which keeps nothing.

        Raises:
            ProofError: more remains, or no results remain after uninstalling.
        """
        self._inside(f"{_INSTALLER} --uninstall")
        remaining = self._others(*_DATA, *_ACCOUNTS, *_LEFT_BY_DEBIAN)
        check(not remaining, f"uninstalling did not remove {remaining}")
        kept = [path for path in self._root.differences() if path.startswith(_DATA)]
        check(any(path.endswith("/outbox.db") for path in kept), f"uninstalling kept only {kept}")
        self._inside(f"{_INSTALLER} --purge")
        remaining = self._others(*_LEFT_BY_DEBIAN)
        check(not remaining, f"purging did not remove {remaining}")

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
        """Paths that differ from the clean Debian, except these places and everything below them."""
        return [path for path in self._root.differences() if not path.startswith(places)]
