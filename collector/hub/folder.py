"""The hub's folder: where each file is, the settings that outlast a start, and the lock of the running hub.

Nothing in it names the folder's own path, so a stopped hub's folder can move, to another machine too.
"""

import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.errors import BadInput, StorageUnavailable
from commandline.disk import lock, write_whole
from contract.config import encode_value

HTTPS_PORT: Final = 8642
MQTT_PORT: Final = 8883
_PRIVATE: Final = 0o700


class HubSettings(NamedTuple):
    """What the hub keeps from one start to the next, in `hub.toml`."""

    at: str = ""
    """The address or name by which boards reach this machine; empty before the first start."""
    https_port: int = HTTPS_PORT
    mqtt_port: int = MQTT_PORT
    addresses: tuple[str, ...] = ()
    """Every address and name that the hub ever had: its certificate stays valid for all of them."""

    @property
    def url(self) -> str:
        """The address of the HTTPS service."""
        return f"https://{in_url(self.at)}:{self.https_port}"

    @property
    def broker(self) -> str:
        """The broker's address for devices."""
        return f"mqtts://{in_url(self.at)}:{self.mqtt_port}"


def in_url(address: str) -> str:
    """Return an address as it is written in a URL: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


class HubFolder:
    """The paths of a hub's files. Everything is private to its user.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "hub.toml"
        self.ca_cert, self.ca_key = path / "ca.crt", path / "ca.key"
        self.cert, self.key = path / "server.crt", path / "server.key"
        self.register = path / "register.db"
        """Passes and devices."""
        self.mosquitto = path / "mosquitto"
        self.passwords = self.mosquitto / "passwords"
        self.collector_password = path / "collector.password"
        self.database = path / "results.db"
        self.wheels = path / "wheels"
        self.bundles = path / "bundles"
        self.questions = path / "questions"
        self._added = path / "questions-added"
        self.metrics_token = path / "metrics-token"

    def create(self) -> None:
        """Make the folder and its folders, if they are missing.

        Raises:
            BadInput: the path is not a folder, or is a folder with other things in it.
            StorageUnavailable: a folder cannot be made.
        """
        os.umask(0o077)  # the databases and stores that other programs make are private as well
        try:
            if self.path.is_dir() and any(self.path.iterdir()) and not self.settings_file.exists():
                strangers = {entry.name for entry in self.path.iterdir()} - {"bundles", "questions", "lock"}
                if strangers:
                    raise BadInput(
                        f"{str(self.path)!r} holds {min(strangers)!r} and is not a hub's folder: name "
                        "an empty or new one with --dir"
                    )
            self.path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            self.path.chmod(_PRIVATE)
            for folder in (self.mosquitto, self.wheels, self.bundles, self.questions):
                folder.mkdir(mode=_PRIVATE, exist_ok=True)
        except OSError as error:
            raise StorageUnavailable(
                f"the hub's folder {str(self.path)!r} cannot be made: {error.strerror or error}"
            ) from None

    def check(self) -> None:
        """Check that the folder is a hub's.

        Raises:
            BadInput: it is not, or this user may not read it.
        """
        try:
            if not self.settings_file.is_file():
                raise BadInput(
                    f"there is no hub in {str(self.path)!r}: start one with collector hub, or name its "
                    "folder with --dir"
                )
            self.settings_file.read_bytes()
        except PermissionError:
            raise BadInput(
                f"the hub's folder {str(self.path)!r} belongs to another user: run this as that user "
                "(sudo -u)"
            ) from None

    def settings(self) -> HubSettings:
        """Read the settings; those of a new hub if there are none.

        Raises:
            BadInput: the file is damaged.
        """
        if not self.settings_file.exists():
            return HubSettings()
        try:
            values: dict[str, Any] = tomllib.loads(self.settings_file.read_text())
            return HubSettings(
                str(values["at"]),
                int(values["https-port"]),
                int(values["mqtt-port"]),
                tuple(map(str, values["addresses"])),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"the hub's settings {str(self.settings_file)!r} cannot be read: {error}"
            ) from None

    def keep(self, settings: HubSettings) -> None:
        """Write the settings, if they changed.

        Raises:
            StorageUnavailable: the file cannot be written.
        """
        if self.settings_file.exists() and settings == self.settings():
            return
        addresses = ", ".join(encode_value(address) for address in settings.addresses)
        text = (
            "# The hub writes this file. To change `at` or a port, use the options of `collector hub`.\n"
            f"at = {encode_value(settings.at)}\n"
            f"https-port = {settings.https_port}\n"
            f"mqtt-port = {settings.mqtt_port}\n"
            f"addresses = [{addresses}]\n"
        )
        self.write(self.settings_file, text.encode())

    def added_questions(self) -> list[str]:
        """Return a line per question file that the database has: its time, size and name."""
        if not self.database.exists() or not self._added.exists():
            return []
        return self._added.read_text().splitlines()

    def note_added_questions(self, lines: Sequence[str]) -> None:
        """Note which question files the database has.

        Raises:
            StorageUnavailable: the file cannot be written.
        """
        if list(lines) != self.added_questions():
            self.write(self._added, "".join(f"{line}\n" for line in lines).encode())

    def write(self, file: Path, data: bytes) -> None:
        """Write a private file as a whole.

        Raises:
            StorageUnavailable: it cannot be written.
        """
        try:
            write_whole(file, data)
        except OSError as error:
            raise StorageUnavailable(f"{str(file)!r} cannot be written: {error.strerror or error}") from None

    @property
    def is_served(self) -> bool:
        """Whether a hub runs in this folder now."""
        try:
            with self.served(0.0):
                return False
        except BadInput:
            return True

    @contextmanager
    def served(self, patience_seconds: float = 1.0) -> Iterator[None]:
        """Keep other hubs out of the folder during the block.

        Args:
            patience_seconds: how long to wait for another process, which may only look whether a hub runs.

        Raises:
            BadInput: a hub runs in the folder.
            StorageUnavailable: the lock cannot be made.
        """
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageUnavailable(
                f"the hub's folder {str(self.path)!r} cannot be written: {error.strerror}"
            ) from None
        try:
            try:
                lock(descriptor, f"the hub's folder {str(self.path)!r}", patience_seconds)
            except TimeoutError as error:
                raise BadInput(f"a hub runs in this folder already: {error}") from None
            yield
        finally:
            os.close(descriptor)
