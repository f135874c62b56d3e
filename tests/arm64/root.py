"""Makes a Debian root, also of another architecture with user-mode emulation, and finds its changes."""

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
    """The properties of one file or folder that an installer could change."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: str
    """SHA-256 of a file, or target of a link."""
    modified_ns: int = 0
    """Time of modification of a file, in nanoseconds; 0 if it is not compared."""

    @classmethod
    def of(cls, path: Path, *, with_date: bool = False) -> Self:
        """The entry of a path."""
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
    """A minimal Debian that is never changed, under a layer that receives the changes.

    Args:
        folder: folder of the Debian, which is kept for later runs, and of the layer.
        machine: architecture of the Debian, as in `uname -m`.
        python: Python version of the Debian.
        packages: what it has beside the minimum, separated by commas.
    """

    def __init__(self, folder: Path, machine: str, python: str, packages: str = PACKAGES) -> None:
        self.machine = machine
        self.foreign = machine != os.uname().machine
        """Whether an emulator is needed."""
        self._packages = packages
        self._base = folder / f"debian-{machine}-{python}"
        self._suite = SUITES[python]
        self._changes = folder / f"changes-{machine}-{python}"
        self._work = folder / f"work-{machine}-{python}"
        self.merged = folder / f"merged-{machine}-{python}"
        """Where the root is while it is mounted."""

    def make(self) -> None:
        """Make the Debian if it does not exist yet, and an empty layer.

        Raises:
            ProofError: a tool is missing or fails.
        """
        check(os.geteuid() == 0, "run it as root: debootstrap and chroot need that")
        for tool in ("debootstrap", "unshare", "chroot"):
            advice = "apt install debootstrap qemu-user-static binfmt-support"
            check(shutil.which(tool) is not None, f"{tool} is not installed: {advice}")
        if self.foreign:
            _let_foreign_programs_run(self.machine)
        done = self._base / "made-by-distilbench"
        if not done.exists() or done.read_text() != self._packages:
            shutil.rmtree(self._base, ignore_errors=True)
            architecture = ARCHITECTURES[self.machine]
            _call("debootstrap", f"--arch={architecture}", "--foreign", "--variant=minbase",
                  f"--include={self._packages}", self._suite, self._base, MIRROR)  # fmt: skip
            # This step mounts /proc in the root; the mount must not remain.
            _call("unshare", "--mount", "chroot", self._base, "/debootstrap/debootstrap", "--second-stage")
            done.write_text(self._packages)
        for layer in (self._changes, self._work, self.merged):
            shutil.rmtree(layer, ignore_errors=True)
            layer.mkdir(parents=True)
        self._changes.chmod(0o755)

    def add(self, source: Path, place: str, only: str = "*") -> None:
        """Copy the files and folders of a folder into the layer, before it is mounted.

        Args:
            source: the folder.
            place: where it goes, below the root; it does not exist yet.
            only: pattern of the names to copy.
        """
        to = self._changes / place
        to.mkdir(parents=True)
        for each in source.glob(only):
            (shutil.copytree if each.is_dir() else shutil.copy2)(each, to / each.name)

    def run(self, command: str, shown: Mapping[str, Path], cpu: str) -> str:
        """Run a shell command in the root, as root, and return its output.

        Args:
            command: the command, for `sh -c`.
            shown: folders of this machine to mount there, by name below `/mnt`.
            cpu: the CPU to emulate, by QEMU's name.

        Raises:
            ProofError: the command failed.
        """
        lines = self.mount_lines(shown)
        environment = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        if self.foreign:
            environment += f" QEMU_CPU={cpu}"
        lines.append(f'exec chroot {self.merged} /usr/bin/env -i {environment} sh -c "$1"')
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", "\n".join(lines), "sh", command],
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        check(done.returncode == 0, f"in the root, '{command}' exited with {done.returncode}:\n{output}")
        return output

    @property
    def overlay(self) -> str:
        """The line of a shell that mounts the Debian with its layer."""
        layers = f"lowerdir={self._base},upperdir={self._changes},workdir={self._work}"
        return f"mount -t overlay overlay -o {layers} {self.merged}"

    def mount_lines(self, shown: Mapping[str, Path]) -> list[str]:
        """Lines of a shell that mount the root; in a new namespace, the mounts disappear with its processes.

        /sys is not mounted: its description of this machine's processor makes onnxruntime crash on the other
        architecture.
        """
        lines = [
            "set -e",
            self.overlay,
            f"mount -t proc proc {self.merged}/proc",
            f"mount --rbind /dev {self.merged}/dev",
            f"mount -t tmpfs tmpfs {self.merged}/run",
            f"mount -t tmpfs tmpfs {self.merged}/mnt",
        ]
        for name, folder in shown.items():
            place = f"{self.merged}/mnt/{name}"
            lines += [f"mkdir -p {place}", f"mount --bind {folder} {place}"]
        return lines

    def tree(self) -> dict[str, Entry]:
        """All entries of the layer by path: everything that was written, even if it did not change."""
        return {self._name(path): Entry.of(path, with_date=True) for path in self._written()}

    def differences(self) -> list[str]:
        """The paths whose kind, rights, owner or content differ from the clean Debian."""
        found = []
        for path in self._written():
            was = self._base / path.relative_to(self._changes)
            if stat.S_ISCHR(path.lstat().st_mode):  # the layer's mark of a removed file
                if os.path.lexists(was):
                    found.append(self._name(path))
            elif not os.path.lexists(was) or Entry.of(path) != Entry.of(was):
                found.append(self._name(path))
            elif path.is_dir() and not path.is_symlink() and _hides_the_base(path):
                removed = {below.name for below in was.iterdir()} - {below.name for below in path.iterdir()}
                found += [f"{self._name(path)}/{name}" for name in sorted(removed)]
        return found

    def _written(self) -> list[Path]:
        return sorted(self._changes.rglob("*"))

    def _name(self, path: Path) -> str:
        return f"/{path.relative_to(self._changes)}"


def _hides_the_base(folder: Path) -> bool:
    """Whether a folder was removed and made again, so that nothing of the base shows through."""
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
