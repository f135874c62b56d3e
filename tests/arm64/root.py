"""A Debian root of another architecture, whose programs user-mode emulation runs, and what is done to it."""

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, Self

from tests.arm64.programs import check

SUITES: Final = {"3.11": "bookworm", "3.13": "trixie"}
ARCHITECTURES: Final = {"aarch64": "arm64", "x86_64": "amd64"}
MIRROR: Final = "http://deb.debian.org/debian"
PACKAGES: Final = "python3,python3-venv,ca-certificates,systemd"
_BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")


class Entry(NamedTuple):
    """One file or folder, as far as an installer could change it."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: str
    """SHA-256 of a file, target of a link."""
    modified_ns: int = 0
    """Of a file, if it matters."""

    @classmethod
    def of(cls, path: Path, *, with_date: bool = False) -> Self:
        """What is at a path."""
        status = path.lstat()
        content, modified = "", 0
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            modified = status.st_mtime_ns if with_date else 0
        kind = stat.filemode(status.st_mode)[0]
        return cls(kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), content, modified)


class DebianRoot:
    """A minimal Debian, never changed, under a layer that takes the changes.

    Args:
        folder: keeps the Debian over runs, and the layer.
        machine: `uname -m` of it.
        python: which of Debian's Pythons.
    """

    def __init__(self, folder: Path, machine: str, python: str) -> None:
        self.machine = machine
        self.foreign = machine != os.uname().machine
        """Whether an emulator is needed."""
        self._base = folder / f"debian-{machine}-{python}"
        self._suite = SUITES[python]
        self._changes = folder / f"changes-{machine}-{python}"
        self._work = folder / f"work-{machine}-{python}"
        self._merged = folder / f"merged-{machine}-{python}"

    def make(self) -> None:
        """Make the Debian, if it isn't there, and an empty layer.

        Raises:
            ProofError: a tool is missing or fails.
        """
        check(os.geteuid() == 0, "it needs root: debootstrap and chroot do")
        for tool in ("debootstrap", "unshare", "chroot"):
            advice = "apt install debootstrap qemu-user-static binfmt-support"
            check(shutil.which(tool) is not None, f"there is no {tool}: {advice}")
        if self.foreign:
            _let_foreign_programs_run(self.machine)
        done = self._base / "made-by-distilbench"
        if not done.exists() or done.read_text() != PACKAGES:
            shutil.rmtree(self._base, ignore_errors=True)
            architecture = ARCHITECTURES[self.machine]
            _call("debootstrap", f"--arch={architecture}", "--foreign", "--variant=minbase",
                  f"--include={PACKAGES}", self._suite, self._base, MIRROR)  # fmt: skip
            # It mounts /proc in there, which must not stay.
            _call("unshare", "--mount", "chroot", self._base, "/debootstrap/debootstrap", "--second-stage")
            done.write_text(PACKAGES)
        for layer in (self._changes, self._work, self._merged):
            shutil.rmtree(layer, ignore_errors=True)
            layer.mkdir(parents=True)
        self._changes.chmod(0o755)

    def run(self, command: str, shown: Mapping[str, Path], cpu: str) -> str:
        """Run a shell command in it, as root, and return what it said.

        Args:
            command: for `sh -c`.
            shown: folders of this machine to show there, by name below `/mnt`.
            cpu: the processor that an emulator shows, by QEMU's name for it.

        Raises:
            ProofError: it ended with an error.
        """
        # Mounts of an own namespace vanish with the command, even if it is killed. There is no /sys: what
        # it says of this machine's processor makes onnxruntime crash on the other architecture.
        lines = [
            "set -e",
            f"mount -t overlay overlay -o lowerdir={self._base},upperdir={self._changes}"
            f",workdir={self._work} {self._merged}",
            f"mount -t proc proc {self._merged}/proc",
            f"mount --rbind /dev {self._merged}/dev",
            f"mount -t tmpfs tmpfs {self._merged}/run",
            f"mount -t tmpfs tmpfs {self._merged}/mnt",
        ]
        for name, folder in shown.items():
            place = f"{self._merged}/mnt/{name}"
            lines += [f"mkdir -p {place}", f"mount --bind {folder} {place}"]
        environment = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        if self.foreign:
            environment += f" QEMU_CPU={cpu}"
        lines.append(f'exec chroot {self._merged} /usr/bin/env -i {environment} sh -c "$1"')
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", "\n".join(lines), "sh", command],
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        check(done.returncode == 0, f"in the root, '{command}' ended with {done.returncode}:\n{said}")
        return said

    def tree(self) -> dict[str, Entry]:
        """Everything in the layer of changes, by path: what was written, changed or not."""
        return {self._name(path): Entry.of(path, with_date=True) for path in self._written()}

    def differences(self) -> list[str]:
        """The paths whose kind, rights, owner or content are not those of the clean Debian."""
        found = []
        for path in self._written():
            was = self._base / path.relative_to(self._changes)
            if stat.S_ISCHR(path.lstat().st_mode):  # the layer's mark of what is gone
                if os.path.lexists(was):
                    found.append(self._name(path))
            elif not os.path.lexists(was) or Entry.of(path) != Entry.of(was):
                found.append(self._name(path))
            elif path.is_dir() and not path.is_symlink() and _hides_what_was(path):
                gone = {below.name for below in was.iterdir()} - {below.name for below in path.iterdir()}
                found += [f"{self._name(path)}/{name}" for name in sorted(gone)]
        return found

    def _written(self) -> list[Path]:
        return sorted(self._changes.rglob("*"))

    def _name(self, path: Path) -> str:
        return f"/{path.relative_to(self._changes)}"


def _hides_what_was(folder: Path) -> bool:
    """Whether a folder was removed and made anew, so that nothing below shows through."""
    return "trusted.overlay.opaque" in os.listxattr(folder)


def _let_foreign_programs_run(machine: str) -> None:
    if (_BINFMT / f"qemu-{machine}").exists():
        return
    if not (_BINFMT / "register").exists():
        _call("mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT)
    _call("update-binfmts", "--enable", f"qemu-{machine}")


def _call(*command: str | Path) -> None:
    done = subprocess.run([*command], capture_output=True, text=True, check=False)
    last = (done.stderr or done.stdout).strip().splitlines()[-1:]
    check(done.returncode == 0, f"{command[0]} failed: {''.join(last)}")
