"""The hub's Mosquitto: its configuration, which `deploy/mosquitto` defines, and rights that it reads again.

Mosquitto reads its passwords again at SIGHUP, and ends the connections whose user or password is gone.
"""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from collector.errors import BadInput, BrokerUnavailable
from collector.hub.child import Child
from collector.hub.folder import HubFolder, HubSettings
from collector.hub.shipped import mosquitto_file

START_SECONDS: Final = 60.0
"""How long it may take to listen: a small board first reads its store of messages from a slow card."""
APPLY_SECONDS: Final = 20.0
"""How long a command waits for the hub to apply new rights, for which a busy board may need seconds."""
_POLL_SECONDS: Final = 0.05
_PLACES: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
"""Where servers are, which the path of most users does not have."""
_IN_DEPLOY: Final = "/etc/mosquitto"


class Mosquitto:
    """The broker, as a program that the hub runs.

    Args:
        folder: the hub's folder.
        settings: its settings.
        say: prints a line for the operator.
    """

    def __init__(self, folder: HubFolder, settings: HubSettings, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._port = settings.mqtt_port
        self._config = folder.mosquitto / "mosquitto.conf"
        command = (mosquitto_program(), "-c", str(self._config))
        self._child = Child("Mosquitto", command, say, folder.mosquitto / "mosquitto.log")
        self._applied = ""

    def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            BrokerUnavailable: its port is in use, or it does not start.
            StorageUnavailable: its configuration cannot be written.
        """
        check_free(self._port, "--mqtt-port")
        self._folder.write(self._config, _configuration(self._folder, self._port).encode())
        self._note_applied()
        self._child.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if not self._child.runs or time.monotonic() > deadline:
                reason = self._child.why_it_ended()
                self._child.stop()
                raise BrokerUnavailable(f"Mosquitto does not start: {reason}")
            time.sleep(_POLL_SECONDS)

    def tick(self) -> None:
        """Start it again if it ended, and let it read the passwords again if they changed."""
        self._child.tick()
        if _stamp(self._folder) != self._applied:
            self.reload()

    def reload(self) -> None:
        """Let it read passwords and certificates again."""
        stamp = _stamp(self._folder)
        self._child.signal(signal.SIGHUP)
        self._note_applied(stamp)

    def stop(self) -> None:
        """End it; it saves its store."""
        self._child.stop()

    def _note_applied(self, stamp: str | None = None) -> None:
        self._applied = _stamp(self._folder) if stamp is None else stamp
        with suppress(OSError):  # a full disk: a command that waits for this says so
            (self._folder.mosquitto / "applied").write_text(self._applied)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def wait_until_applied(folder: HubFolder, seconds: float = APPLY_SECONDS) -> bool:
    """Wait until the running hub has told Mosquitto to read the passwords again; False if it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if (folder.mosquitto / "applied").read_text() == _stamp(folder):
                return True
        time.sleep(_POLL_SECONDS)
    return False


def check_free(port: int, option: str) -> None:
    """Check that a TCP port of this machine is free.

    Raises:
        BrokerUnavailable: it is not; the message names the option that chooses another.
    """
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise BrokerUnavailable(
            f"port {port} cannot be used: {os.strerror(error.errno or 0)}: end the program that has it, or "
            f"choose another port with {option}"
        ) from None


def _stamp(folder: HubFolder) -> str:
    """Return a text that changes whenever the file of passwords is replaced."""
    try:
        found = folder.passwords.stat()
    except OSError:
        return "none"
    return f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"


def mosquitto_program() -> str:
    """Return the path of Mosquitto.

    Raises:
        BadInput: it is not installed; the message has the line that installs it.
    """
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PLACES)
    if found is None:
        raise BadInput(
            "the hub needs Mosquitto, which is not installed: sudo apt install mosquitto (its own service is "
            "not needed: sudo systemctl disable --now mosquitto)"
        )
    return found


def _configuration(folder: HubFolder, port: int) -> str:
    """Return `distilbench.conf` of `deploy/mosquitto` for this folder and port, and what a main file has."""
    shutil.copyfile(mosquitto_file("acl"), folder.mosquitto / "acl")
    here = str(folder.mosquitto.resolve())
    if any(ord(c) < 0x20 for c in here):
        raise BadInput(f"the hub's folder {here!r} has a control character in its name: choose another")
    shipped = mosquitto_file("distilbench.conf").read_text()
    shipped = shipped.replace("listener 8883", f"listener {port}")
    for name, file in (("certs/server.crt", folder.cert), ("certs/server.key", folder.key)):
        shipped = shipped.replace(f"{_IN_DEPLOY}/{name}", str(file.resolve()))
    shipped = shipped.replace(f"{_IN_DEPLOY}/passwords", f"{here}/passwords")
    shipped = shipped.replace(f"{_IN_DEPLOY}/acl", f"{here}/acl")
    user = "user root\n" if os.geteuid() == 0 else ""  # otherwise it becomes one who may not read the folder
    # The log names no clients: a client's name has a secret part.
    return (
        f"# collector hub writes this file at each start.\n{user}persistence_location {here}/\n"
        f"log_dest stderr\nlog_type error\nlog_type warning\n\n{shipped}"
    )
