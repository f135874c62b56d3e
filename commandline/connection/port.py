"""What answers at a port of a broker: MQTT or WebSocket, with or without TLS; found out by asking it."""

import socket
import ssl
from typing import Final, Literal, NamedTuple

SECONDS: Final = 2.0
"""How long each of the few questions waits for an answer."""
_CONNECT: Final = b"\x10\x17\x00\x04MQTT\x04\x02\x00\x05\x00\x0bdistilbench"
"""A CONNECT packet of MQTT 3.1.1, which brokers of MQTT 5 answer too, if only to refuse it."""
_CONNACK: Final = b"\x20"
_UPGRADE: Final = (
    b"GET /mqtt HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: ZGlzdGlsYmVuY2gtZG9jdA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
)

Protocol = Literal["MQTT", "HTTP"]


class Spoken(NamedTuple):
    """What answers at a port."""

    tls: bool
    protocol: Protocol | None
    """HTTP, by which WebSocket begins; None if only TLS answers, as it does if it wants a certificate."""


def spoken_at(host: str, port: int) -> Spoken | None:
    """Find out what answers at a port; None if nothing does."""
    for tls in (False, True):
        encrypted = False
        questions: tuple[tuple[Protocol, bytes, bytes], ...] = (
            ("MQTT", _CONNECT, _CONNACK),
            ("HTTP", _UPGRADE, b"HTTP/"),
        )
        for protocol, question, beginning in questions:
            try:
                with socket.create_connection((host, port), SECONDS) as wire:
                    asked = _without_checks().wrap_socket(wire, server_hostname=host) if tls else wire
                    encrypted = tls
                    with asked:
                        asked.sendall(question)
                        if asked.recv(len(beginning)) == beginning:
                            return Spoken(tls, protocol)
            except (OSError, ValueError):  # refused, silent, ended, or no TLS
                continue
        if encrypted:
            return Spoken(tls=True, protocol=None)
    return None


def _without_checks() -> ssl.SSLContext:
    """TLS settings that accept any certificate, since nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
