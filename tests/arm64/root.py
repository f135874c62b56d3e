"""A Debian root of another architecture, whose programs user-mode emulation runs, and what is done to it."""

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

SUITES: Final = {"3.11": "bookworm", "3.13": "trixie"}
ARCHITECTURES: Final = {"aarch64": "arm64", "x86_64": "amd64"}
MIRROR: Final = "http://deb.debian.org/debian"
PACKAGES: Final = "python3,python3-venv,ca-certificates"
_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")


class ProofError(Exception):
    """The proof failed; the message says at what."""


class Entry(NamedTuple):
    """One file or folder, as far as an installer could change it."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: str
    """SHA-256 of a file, target of a link."""
    modified_ns: int
    """Of a file."""


class DebianRoot:
    """A minimal Debian, never changed, under a layer that takes the changes.

    Args:
        folder: keeps the Debian over runs, and the layer.
        machine: `uname -m` of it.
        python: which of Debian's Pythons.
    """

    def __init__(self, folder: Path, machine: str, python: str) -> None:
        self._base = folder / f"debian-{machine}-{python}"
        self._machine = machine
        self._suite = SUITES[python]
        self.changes = folder / f"changes-{machine}-{python}"
        self._work = folder / f"work-{machine}-{python}"
        self._merged = folder / f"merged-{machine}-{python}"

    def make(self) -> None:
        """Make the Debian, if it isn't there, and an empty layer.

        Raises:
            ProofError: a tool is missing or fails.
        """
        if os.geteuid() != 0:
            raise ProofError("it needs root: debootstrap and chroot do")
        for tool in ("debootstrap", "unshare", "chroot"):
            if shutil.which(tool) is None:
                raise ProofError(
                    f"there is no {tool}: apt install debootstrap qemu-user-static binfmt-support"
                )
        if self._machine != os.uname().machine:
            _let_foreign_programs_run(self._machine)
        done = self._base / "made-by-distilbench"
        if not done.exists():
            shutil.rmtree(self._base, ignore_errors=True)
            architecture = ARCHITECTURES[self._machine]
            _call("debootstrap", f"--arch={architecture}", "--foreign", "--variant=minbase",
                  f"--include={PACKAGES}", self._suite, self._base, MIRROR)  # fmt: skip
            _call("chroot", self._base, "/debootstrap/debootstrap", "--second-stage")
            done.touch()
        for layer in (self.changes, self._work, self._merged):
            shutil.rmtree(layer, ignore_errors=True)
            layer.mkdir(parents=True)
        self.changes.chmod(0o755)

    def run(self, command: str, shown: Mapping[str, Path]) -> subprocess.CompletedProcess[str]:
        """Run a shell command in it, as root.

        Args:
            command: for `sh -c`.
            shown: folders of this machine to show there, by name below `/mnt`.
        """
        # Mounts of an own namespace vanish with the command, even if it is killed.
        lines = [
            "set -e",
            f"mount -t overlay overlay -o lowerdir={self._base},upperdir={self.changes},workdir={self._work} "
            f"{self._merged}",
            f"mount -t proc proc {self._merged}/proc",
            f"mount --rbind /dev {self._merged}/dev",
            f"mount -t tmpfs tmpfs {self._merged}/mnt",
        ]
        for name, folder in shown.items():
            place = f"{self._merged}/mnt/{name}"
            lines += [f"mkdir -p {place}", f"mount --bind {folder} {place}"]
        lines.append(
            f'exec chroot {self._merged} /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "$1"'
        )
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", "\n".join(lines), "sh", command],
            capture_output=True,
            text=True,
            check=False,
        )

    def tree(self) -> dict[str, Entry]:
        """Everything that differs from the Debian, by path."""
        found = {}
        for path in sorted(self.changes.rglob("*")):
            status = path.lstat()
            content, modified = "", 0
            if stat.S_ISLNK(status.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(status.st_mode):
                content, modified = hashlib.sha256(path.read_bytes()).hexdigest(), status.st_mtime_ns
            kind = stat.filemode(status.st_mode)[0]
            found["/" + str(path.relative_to(self.changes))] = Entry(
                kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), content, modified
            )
        return found

    def text(self, path: str) -> str:
        """A file's text as it is in there, changed or not."""
        changed = self.changes / path.lstrip("/")
        return (changed if changed.exists() else self._base / path.lstrip("/")).read_text()

    def text_before(self, path: str) -> str:
        """A file's text before anything was changed."""
        return (self._base / path.lstrip("/")).read_text()


def _let_foreign_programs_run(machine: str) -> None:
    if (_BINFMT / f"qemu-{machine}").exists():
        return
    if not (_BINFMT / "register").exists():
        _call("mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT)
    _call("update-binfmts", "--enable", f"qemu-{machine}")


def _call(*command: str | Path) -> None:
    done = subprocess.run([*command], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ProofError(f"{command[0]} failed: {''.join(last)}")
