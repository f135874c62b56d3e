"""A board or a hub: a clean Debian with a network of its own.

Its first process is systemd, which needs no container engine for that: its own mounts, processes and names,
and a hierarchy of control groups, suffice. Under emulation systemd does not run; the first process sleeps.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.arm64.programs import ProofError, check
from tests.arm64.root import DebianRoot
from tests.joining.network import Network
from tests.joining.patience import PATIENCE_SECONDS, SLOWNESS_OF_EMULATION, until

_SECONDS: Final = 60.0
_SYSTEMD: Final = "/lib/systemd/systemd --log-target=journal --show-status=0"
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_PATH: Final = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_WITH_CONTROL_GROUPS: Final = """
set -e
mount -t tmpfs tmpfs /mnt && mount -t cgroup -o none,name=systemd systemd /mnt
mkdir -p "/mnt/$0" && echo $$ >"/mnt/$0/cgroup.procs" && umount /mnt && umount /mnt
exec unshare --cgroup --mount --pid --uts --ipc --fork --kill-child sh -c "$1"
"""
"""Runs a script as the first process of a machine, with control groups that no other machine sees."""
_EMULATED: Final = "cortex-a76"
"""The processor of a Raspberry Pi 5, by QEMU's name."""


class Board:
    """A Debian that runs inside the `with` block: its mounts, its processes and its network are its own.

    Args:
        root: the Debian; foreign ones need an emulator, which the kernel then finds by itself.
        name: its host name.
        network: its network.
    """

    def __init__(self, root: DebianRoot, name: str, network: Network) -> None:
        self._root = root
        self._name = name
        self._network = network
        self.is_emulated = root.foreign
        self.has_systemd = not root.foreign
        self.slowness = SLOWNESS_OF_EMULATION if root.foreign else 1
        """How many times as long as a board of this architecture it may take."""
        self._environment = [_PATH, f"QEMU_CPU={_EMULATED}"] if root.foreign else [_PATH]
        self._holder: subprocess.Popen[str] | None = None
        self._first = 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run(self, command: str) -> str:
        """Run a shell command on the board, as root, and return its output.

        Raises:
            ProofError: the command failed.
        """
        done = self.attempt(command)
        check(
            done.returncode == 0, f"on the board, '{command}' exited with {done.returncode}:\n{done.stdout}"
        )
        return done.stdout

    def attempt(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a shell command on the board, whether it fails or not; its output holds its errors too."""
        return subprocess.run(
            [*self._inside(), command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Wait until something holds that the board does.

        Raises:
            ProofError: it does not hold in time; `otherwise` is the message.
        """
        until(condition, otherwise, PATIENCE_SECONDS * self.slowness)

    @contextmanager
    def serving(self, command: str, log: Path) -> Iterator[None]:
        """Run the service during the block; systemd runs it anyway, with its messages in the journal."""
        if self.has_systemd:
            yield
            return
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*self._inside(), f"echo $$ >/run/service.pid; exec {command}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            try:
                yield
            finally:
                # nsenter, which this machine sees, would not pass a signal on.
                self.attempt("kill $(cat /run/service.pid)")
                check(process.wait(_SECONDS * self.slowness) == 0, "the service does not end cleanly")

    def restart(self) -> None:
        """End the board as a power cut does, and start it again."""
        self._stop()
        self._start()

    def reboot(self) -> None:
        """Let systemd end its services, and start the board again."""
        assert self._holder is not None
        self.attempt("systemctl reboot")  # its connection to systemd may break off
        try:
            self._holder.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            raise ProofError("systemd does not end") from None
        self.restart()

    def _inside(self) -> list[str]:
        enter = [
            "nsenter",
            "--target",
            str(self._first),
            "--mount",
            "--pid",
            "--net",
            "--uts",
            "--ipc",
            "--root",
        ]
        return [*enter, "--wd", "/usr/bin/env", "-i", *self._environment, "sh", "-c"]

    def _start(self) -> None:
        first = _SYSTEMD if self.has_systemd else "sleep infinity"
        lines = [
            *self._mount_lines(),
            f"hostname {self._name}",
            # systemd gives each service mounts of its own, for which its root must be one.
            f"cd {self._root.merged} && pivot_root . mnt && umount -l mnt",
            "echo mounted",
            f"exec chroot . /usr/bin/env -i {_PATH} container=other {first}",
        ]
        command = ["ip", "netns", "exec", self._network.name, "unshare", "--mount", "sh", "-c"]
        command += [_WITH_CONTROL_GROUPS, self._network.name, "\n".join(lines)]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline()
        check(said == "mounted\n", f"the board does not start: {said}")
        self._first = _only_child(self._holder.pid)
        if self.has_systemd:
            self._wait_for_systemd()

    def _mount_lines(self) -> list[str]:
        if not self.has_systemd:
            return self._root.mount_lines({})
        root = self._root.merged
        devices = " ".join(_DEVICES)
        return [
            "set -e",
            self._root.overlay,
            f"mount -t proc proc {root}/proc",
            f"mount -t sysfs -o ro sysfs {root}/sys",
            f"mount -t tmpfs tmpfs {root}/dev",
            f"cd {root}/dev && touch {devices} && cd /",
            f"for name in {devices}; do mount --bind /dev/$name {root}/dev/$name; done",
            f"mkdir {root}/dev/pts {root}/dev/shm",
            f"ln -s /proc/self/fd {root}/dev/fd",
            f"ln -s pts/ptmx {root}/dev/ptmx",
            f"mount -t tmpfs tmpfs {root}/run",
            f"mount -t tmpfs tmpfs {root}/sys/fs/cgroup",
            f"mkdir {root}/sys/fs/cgroup/systemd",
            f"mount -t cgroup -o none,name=systemd systemd {root}/sys/fs/cgroup/systemd",
        ]

    def _wait_for_systemd(self) -> None:
        deadline = time.monotonic() + _SECONDS
        while (said := self.attempt("systemctl is-system-running").stdout.strip()) != "running":
            check(time.monotonic() < deadline, f"systemd does not run on the board: {said}")
            time.sleep(0.2)

    def _stop(self) -> None:
        if self._holder is not None:
            self._holder.kill()  # unshare ignores SIGTERM; its child ends with it
            self._holder.wait(_SECONDS)
            assert self._holder.stdout is not None
            self._holder.stdout.close()
            self._holder = None


def _only_child(pid: int) -> int:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.02)
    raise ProofError("the board's first process does not start")
