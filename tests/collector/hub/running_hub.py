"""`collector hub` as a process of its own, on free ports, and what boards ask it."""

import http.client
import io
import re
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlencode

from collector.hub.register import Register
from commandline.broker_address import BrokerAddress, Secret
from tests.canary import look, made
from tests.collector.command import collector
from tests.collector.running_collector import ROOT, wait_until
from tests.installed import program
from tests.mosquitto import free_port

PATIENCE_SECONDS = 90.0
_PROGRAM = "import sys\nfrom collector.__main__ import main\nsys.exit(main())"


class Invited(NamedTuple):
    """What `collector invite` printed."""

    secret: str
    pin: str
    curl: str
    wget: str


class Answer(NamedTuple):
    status: int
    data: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        return self.data.decode()


class RunningHub:
    """A hub in a process. Leaving the block ends it.

    Args:
        folder: its folder.
        arguments: further arguments of `collector hub`.
        at: the address; None to let it choose.
        changes: lines of Python that run in the process before the program starts.
    """

    def __init__(
        self, folder: Path, *arguments: str | Path, at: str | None = "127.0.0.1", changes: str = ""
    ) -> None:
        program("mosquitto")
        self.folder = folder
        self.port, self.mqtt_port = free_port(), free_port()
        where = [] if at is None else ["--at", at]
        command = [sys.executable, "-c", f"{changes}\n{_PROGRAM}", "hub", "--dir", str(folder), *where]
        command += ["--port", str(self.port), "--mqtt-port", str(self.mqtt_port), *map(str, arguments)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stderr is not None
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()
        try:
            wait_until(lambda: self.says("listening on") or self.process.poll() is not None, "the hub")
        except AssertionError:
            self.process.kill()  # its programs end with it
            raise

    def says(self, words: str) -> bool:
        return any(words in line for line in self.said)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code

    def children(self) -> dict[str, int]:
        """The programs that it runs, by name."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = path.read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if int(rest.split()[1]) == self.process.pid:
                found["mosquitto" if name == "mosquitto" else "collector"] = int(path.parent.name)
        return found

    def new_pass(self, device: str | None = None, seconds: float = 600.0, uses: int = 1) -> str:
        """A pass as `invite` makes it, without a process of its own."""
        return Register(self.folder / "register.db").invite(device, seconds, uses)

    def joined(self, device: str) -> str:
        """Let a device in; returns its password."""
        return self.password(self.join(self.new_pass(device), device))

    def invite(self, *arguments: str) -> Invited:
        done = collector("invite", "--dir", self.folder, *arguments)
        assert done.returncode == 0, done.stderr
        curl, wget = done.stdout.splitlines()
        secret = re.findall(r"/join/([A-Za-z0-9_-]+)", curl)[0]
        pin = re.findall(r"'(sha256//[^']+)'", curl)[0]
        return Invited(made(secret), pin, curl, wget)

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def get_as(self, device: str, password: str, path: str, **headers: str) -> Answer:
        login = b64encode(f"{device}:{password}".encode()).decode()
        return self.get(path, Authorization=f"Basic {login}", **headers)

    def join(self, secret: str, device: str) -> Answer:
        """Ask for a device's credentials."""
        form = urlencode({"device": device, "machine": "x86_64", "python": "3.11"})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", f"/join/{secret}/credentials", form, kind)

    def password(self, answer: Answer) -> str:
        assert answer.status == 200, answer.text
        files = files_in(answer)
        made(files["order-secret"].strip(), held_by="register.db")
        return made(files["password"].strip())

    def broker(self, device: str, password: str) -> BrokerAddress:
        return BrokerAddress(
            "127.0.0.1", self.mqtt_port, True, device, Secret(password), self.folder / "ca.crt"
        )

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        context = ssl._create_unverified_context()
        with closing(
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS, context=context)
        ) as client:
            client.request(method, path, body, headers)
            answer = client.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))

    def _read(self, stderr: Iterator[str]) -> None:
        for line in stderr:
            look(line, "what a hub said")
            self.said.append(line.rstrip("\n"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.end()
        assert self.process.stderr is not None
        self._reader.join(PATIENCE_SECONDS)
        self.process.stderr.close()


def files_in(answer: Answer) -> dict[str, str]:
    """The files of a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(answer.data)) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read().decode()
        return found


def run_line(line: str) -> subprocess.CompletedProcess[str]:
    """Run a printed line as a board does, but without root."""
    return subprocess.run(
        line.replace("| sudo sh", "| sh"),
        shell=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
