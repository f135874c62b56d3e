"""A board: a clean Debian with a network of its own, whose only other host is a hub on this machine.

Its first process is systemd, which needs no container engine for that: its own mounts, processes and names,
and a hierarchy of control groups, suffice. Under emulation systemd does not run; the first process sleeps.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.arm64.programs import ProofError, check
from tests.arm64.root import DebianRoot

HUB_ADDRESS: Final = "10.213.77.1"
_BOARD_ADDRESS: Final = "10.213.77.2"
_BITS: Final = 24
_SECONDS: Final = 60.0
_SYSTEMD: Final = "/lib/systemd/systemd --log-target=journal --show-status=0"
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_ENVIRONMENT: Final = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


class Board:
    """A Debian that runs inside the `with` block: its mounts, its processes and its network are its own.

    Args:
        root: the Debian; foreign ones need an emulator, which the kernel then finds by itself.
        name: its host name.
    """

    def __init__(self, root: DebianRoot, name: str) -> None:
        self._root = root
        self._name = name
        self._namespace = f"distilbench-{name}"[:40]
        self._here = "dbhub0"
        self.has_systemd = not root.foreign
        self._holder: subprocess.Popen[str] | None = None
        self._first = 0

    def __enter__(self) -> Self:
        self._remove_network()
        try:
            self._make_network()
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

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
                check(process.wait(_SECONDS) == 0, "the service does not end cleanly")

    def restart(self) -> None:
        """End the board as a power cut does, and start it again."""
        self._stop()
        self._start()

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
        return [*enter, "--wd", "/usr/bin/env", "-i", _ENVIRONMENT, "sh", "-c"]

    def _make_network(self) -> None:
        _ip("netns", "add", self._namespace)
        _ip("link", "add", self._here, "type", "veth", "peer", "name", "eth0", "netns", self._namespace)
        _ip("address", "add", f"{HUB_ADDRESS}/{_BITS}", "dev", self._here)
        _ip("link", "set", self._here, "up")
        inside = ("-n", self._namespace)
        _ip(*inside, "address", "add", f"{_BOARD_ADDRESS}/{_BITS}", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip(*inside, "link", "set", "lo", "up")

    def _start(self) -> None:
        first = _SYSTEMD if self.has_systemd else "sleep infinity"
        lines = [
            *self._mount_lines(),
            f"hostname {self._name}",
            # systemd gives each service mounts of its own, for which its root must be one.
            f"cd {self._root.merged} && pivot_root . mnt && umount -l mnt",
            "echo mounted",
            f"exec chroot . /usr/bin/env -i {_ENVIRONMENT} container=other {first}",
        ]
        command = ["ip", "netns", "exec", self._namespace]
        command += ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c"]
        self._holder = subprocess.Popen(
            [*command, "\n".join(lines)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
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

    def _end(self) -> None:
        self._stop()
        self._remove_network()

    def _remove_network(self) -> None:
        for command in (("link", "delete", self._here), ("netns", "delete", self._namespace)):
            subprocess.run(["ip", *command], capture_output=True, check=False)


def _only_child(pid: int) -> int:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.02)
    raise ProofError("the board's first process does not start")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"'ip {' '.join(arguments)}' failed: {done.stderr.strip()}")
