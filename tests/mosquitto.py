"""A real Mosquitto on a free port: a broker that tests can stop, kill and start again."""

import getpass
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.installed import program

_START_SECONDS = 60.0
_POLL_SECONDS = 0.02
_PORTS = range(10_000, 32_000)
"""Below those that Linux gives to connections: a broker that starts again finds its port free."""

_tries = count(os.getpid() * 1009)  # processes that share the tests begin far from each other


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    while True:
        port = _PORTS[next(_tries) % len(_PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Mosquitto:
    """A broker on the loopback interface, running inside the `with` block.

    Args:
        folder: takes its configuration, its log and, with `persistence true`, its store.
        port: to listen on; None for a free one. It stays the same over restarts.
        lines: of mosquitto.conf, in place of `allow_anonymous true`, after the listener's line.
    """

    def __init__(self, folder: Path, port: int | None = None, lines: Sequence[str] | None = None) -> None:
        self.port = port or free_port()
        self.log = folder / "mosquitto.log"
        self._binary = program("mosquitto")
        self._config = folder / "mosquitto.conf"
        self._folder = folder
        self._lines = ("allow_anonymous true",) if lines is None else tuple(lines)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The broker's address."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Of its process; None while it does not run."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it listens."""
        assert self._process is None, "it runs already"
        lines = (
            f"listener {self.port} 127.0.0.1",
            f"persistence_location {self._folder}/",
            f"user {getpass.getuser()}",  # as root it would become a user who may not read the test's files
            *self._lines,
        )
        self._config.write_text("\n".join(lines) + "\n")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([self._binary, "-c", self._config], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"mosquitto does not start: {self.log.read_text()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End it in the ordinary way: it says goodbye, and saves its store if it has one."""
        if self._process is not None:
            self._process.terminate()
            self.resume()
            self._end()

    def pause(self) -> None:
        """Stop it where it is, until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.wait(_START_SECONDS)
        self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
