"""How a device gets its rights, and how they end."""

import io
import tarfile
import time
from pathlib import Path
from typing import Final

from collector.broker.credentials import COLLECTOR, agent_config, checked_user, provision, withdraw
from collector.errors import BadInput, StorageUnavailable
from collector.hub.folder import HubFolder, HubSettings
from collector.hub.register import Refused, Register
from contract.config import encode_value

_PRIVATE_FILE: Final = 0o600
_PUBLIC_FILE: Final = 0o644


class Membership:
    """Lets devices in, with passes, and gives them their settings.

    Args:
        folder: the hub's folder.
        settings: its settings.
        pin: the pin of its key.
    """

    def __init__(self, folder: HubFolder, settings: HubSettings, pin: str) -> None:
        self._folder = folder
        self._settings = settings
        self._pin = pin
        self._register = Register(folder.register)

    def let_in(self, secret: str, device: str, machine: str, python: str) -> bytes:
        """Use a pass once and return a tar archive of the device's settings.

        They are those of `collector provision`: agent.toml, password and ca.crt; and hub.toml, which names
        the hub, and order-secret, under which its orders are sealed. If the device had joined before, its old
        password stops working.

        Raises:
            Refused: the pass is not good or the device's name is not valid; nothing is changed.
            StorageUnavailable: the hub cannot write.
        """
        try:
            user = checked_user(device)
        except BadInput as error:
            raise Refused(str(error)) from None
        if user == COLLECTOR:
            raise Refused(f"no device can be named {COLLECTOR}: give this one another host name")
        with self._register.letting_in(secret, user, machine, python) as order_secret:
            password = provision(self._folder.passwords, user, hashed=True, replace=True)
            return self._archive(user, password, order_secret)

    def order_secret(self, device: str) -> str:
        """Return the secret under which a device's orders are sealed, for a device that has logged in.

        Raises:
            StorageUnavailable: the hub cannot write.
        """
        return self._register.give_order_secret(device)

    def _archive(self, user: str, password: str, order_secret: str) -> bytes:
        files = {
            "agent.toml": (agent_config(user, self._settings.broker, ca_file=True), _PUBLIC_FILE),
            "password": (f"{password}\n", _PRIVATE_FILE),
            "ca.crt": (_read(self._folder.ca_cert), _PUBLIC_FILE),
            "order-secret": (f"{order_secret}\n", _PRIVATE_FILE),
            "hub.toml": (hub_toml(self._settings, self._pin), _PUBLIC_FILE),
        }
        into = io.BytesIO()
        with tarfile.open(fileobj=into, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, (text, mode) in files.items():
                data = text.encode()
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = len(data), mode, int(time.time())
                archive.addfile(member, io.BytesIO(data))
        return into.getvalue()


def hub_toml(settings: HubSettings, pin: str) -> str:
    """Return what a board keeps of its hub: its address, its other addresses, and the pin of its key."""
    addresses = ", ".join(encode_value(address) for address in settings.addresses)
    return (
        f"url = {encode_value(settings.url)}\n"
        f"pin = {encode_value(pin)}\n"
        f"addresses = [{addresses}]\n"
        f"https-port = {settings.https_port}\n"
        f"mqtt-port = {settings.mqtt_port}\n"
    )


def remove(folder: HubFolder, device: str) -> None:
    """End the rights of a device: its password and the passes that are bound to it.

    A running hub then ends the device's connection.

    Raises:
        BadInput: no such device has joined.
        StorageUnavailable: the hub's folder cannot be written.
    """
    user = checked_user(device)
    if user == COLLECTOR:
        raise BadInput(f"{COLLECTOR} is the hub's own collector, not a device")
    with_password = withdraw(folder.passwords, user)
    if not Register(folder.register).remove(user) and not with_password:
        raise BadInput(
            f"no device named {user} has joined this hub: collector invite --list prints those that have"
        )


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise StorageUnavailable(f"{str(file)!r} cannot be read: {error.strerror}") from None
