"""paho's MQTT client, without what lets another client stop it: properties of messages, and a known name.

Addresses: the name of a broker may have several, such as those of a cluster's nodes. Each attempt to connect
tries them in a random order until one accepts the connection. So clients spread over the nodes, and a node
that accepts connections but does nothing is not the first one each time.

Properties: MQTT 5 lets a sender attach texts to a message, which brokers pass on as they are. paho treats
some of them as malformed, such as a text with U+FEFF, and hangs up. The broker then sends the same message
first, on every connection. Nothing here reads these properties, so they are removed before paho decodes a
message.

Names: a broker ends the connection of a client when another client connects with its client id, whoever that
is. So each id has a secret part, which is kept in a private file and appears in no message. A client whose
name was taken nevertheless comes back, after a wait that grows each time.
"""

import os
import random
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import MQTTErrorCode

FIRST_TAKEOVER_SECONDS: Final = 5.0
MOST_TAKEOVER_SECONDS: Final = 300.0
_SECRET: Final = re.compile(r"[0-9a-f]{32}")
_QOS_BITS: Final = 0b0110


class MqttClient(Client):
    """A client that ignores the properties of messages, and tries every address of its broker."""

    def _create_socket_connection(self) -> socket.socket:
        if self._get_proxy():
            return super()._create_socket_connection()
        *others, last = addresses(self._host, self._port)
        for address in others:
            with suppress(OSError):
                return socket.create_connection(address, timeout=self._connect_timeout)
        return socket.create_connection(last, timeout=self._connect_timeout)

    def _handle_publish(self) -> MQTTErrorCode:
        if self._protocol == MQTTv5:
            packet = self._in_packet
            packet["packet"] = without_properties(packet["command"], packet["packet"])
        return super()._handle_publish()


def without_properties(command: int, packet: bytearray) -> bytearray:
    """Return a PUBLISH packet of MQTT 5 without its properties; one that breaks off stays as it is.

    Args:
        command: the first byte of the packet.
        packet: everything after its length (MQTT 5, 3.3.2): topic, id if QoS is above 0, properties, payload.
    """
    start = 2 + int.from_bytes(packet[:2], "big") + (2 if command & _QOS_BITS else 0)
    length = 0
    for place in range(4):  # a variable byte integer (MQTT 5, 1.5.5)
        if start + place >= len(packet):
            return packet
        byte = packet[start + place]
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            end = start + place + 1 + length
            return packet[:start] + b"\0" + packet[end:] if length and end <= len(packet) else packet
    return packet


def addresses(host: str, port: int) -> list[tuple[str, int]]:
    """Return the addresses of a host in a random order, except that one kind of IP stays before the other.

    Raises:
        OSError: the name is not known.
    """
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    kinds = list(dict.fromkeys(kind for kind, *_ in found))
    random.shuffle(found)
    found.sort(key=lambda each: kinds.index(each[0]))
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV  # with the interface of a link-local address
    places = (socket.getnameinfo(place, numeric) for *_, place in found)
    return list(dict.fromkeys((address, int(number)) for address, number in places))


class TakeoverPatience:
    """How long to stay away after another client took the name: longer each time, but not for ever."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def after(self, held_seconds: float) -> float:
        """Return the seconds to wait after a connection that lasted this long before it was taken."""
        calm = held_seconds > max(self._seconds, MOST_TAKEOVER_SECONDS / 2)
        self._seconds = FIRST_TAKEOVER_SECONDS if calm else self._seconds * 2 or FIRST_TAKEOVER_SECONDS
        self._seconds = min(self._seconds, MOST_TAKEOVER_SECONDS)
        return self._seconds


def client_id(role: str, secret: str) -> str:
    """Return the name of a client at a broker; every name of distilbench begins with `distilbench-`.

    A device's id may have dots, which NATS refuses in a client's name. They become tildes, which no id has.
    """
    return f"distilbench-{role}-{secret}".replace(".", "~")


def new_secret() -> str:
    """Return a new secret part of a client id."""
    return secrets.token_hex(16)


def kept_secret(file: Path) -> str:
    """Return the secret part of a client id that a private file keeps over restarts; makes the file.

    A file that cannot be read or written gives a new secret each time: the broker then sees a new client.
    """
    with suppress(OSError):
        for _ in range(2):
            with suppress(FileExistsError):
                _create(file)
            with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
                found = opened.read(64).decode("ascii", "replace").strip()
            if _SECRET.fullmatch(found):
                return found
            file.unlink()  # a power cut left a part of it
    return new_secret()


def _create(file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{new_secret()}\n")
        opened.flush()
        os.fsync(opened.fileno())
