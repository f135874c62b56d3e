"""A board: a clean Debian with a network of its own, whose only other host is a hub on this machine."""

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
_SECONDS: Final = 30.0
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
    def running(self, command: str, log: Path) -> Iterator["Service"]:
        """Run a program on the board during the block, and end it as a service manager would."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*self._inside(), f"echo $$ >/run/service.pid; exec {command}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            service = Service(self, process)
            try:
                yield service
            finally:
                service.end()

    def _inside(self) -> list[str]:
        enter = ["nsenter", "--target", str(self._first), "--mount", "--pid", "--net", "--uts"]
        return [*enter, "chroot", str(self._root.merged), "/usr/bin/env", "-i", _ENVIRONMENT, "sh", "-c"]

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
        lines = [*self._root.mount_lines({}), f"hostname {self._name}", "echo mounted", "exec sleep infinity"]
        command = ["ip", "netns", "exec", self._namespace]
        command += ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-c"]
        self._holder = subprocess.Popen(
            [*command, "\n".join(lines)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline()
        check(said == "mounted\n", f"the board does not start: {said}")
        self._first = _only_child(self._holder.pid)

    def _end(self) -> None:
        if self._holder is not None:
            self._holder.kill()  # unshare ignores SIGTERM; its child ends with it
            self._holder.wait(_SECONDS)
            assert self._holder.stdout is not None
            self._holder.stdout.close()
            self._holder = None
        self._remove_network()

    def _remove_network(self) -> None:
        for command in (("link", "delete", self._here), ("netns", "delete", self._namespace)):
            subprocess.run(["ip", *command], capture_output=True, check=False)


class Service:
    """A program that runs on a board."""

    def __init__(self, board: Board, process: "subprocess.Popen[bytes]") -> None:
        self._board = board
        self._process = process

    def end(self) -> int:
        """End it with SIGTERM, if it runs; returns its exit status."""
        if self._process.poll() is None:
            # nsenter, which this machine sees, would not pass the signal on.
            self._board.attempt("kill $(cat /run/service.pid)")
        return self._process.wait(_SECONDS)


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
