"""An MQTT broker inside the collector, for a laptop and a few devices: rumqttd, from the package iotcore.

It keeps everything in memory. Agents keep their results until the collector's receipt, so a broker that
forgets costs nothing but time. At other addresses than the loopback address it requires credentials. It uses
TLS if it has a certificate. It has no ACL, so it is for devices that trust each other; all others need
Mosquitto.
"""

import secrets
import socket
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from collector.errors import BrokerUnavailable
from commandline.broker_address import BrokerAddress, Secret
from commandline.program.installation import how_to_add
from contract.config import encode_value
from contract.messages import MAX_MESSAGE_BYTES

LOOPBACK: Final = "127.0.0.1"
NO_RIGHTS: Final = (
    "the embedded broker has no access rights: each device can send results as another device, and delete "
    "what others have not delivered yet"
)
EXPOSED: Final = (
    f"{NO_RIGHTS}; without --cert-file and --key-file others can read everything, passwords included"
)
"""The warnings about a broker that listens on a network: `NO_RIGHTS` with TLS, `EXPOSED` without."""

# Segments bound the memory: 64 MiB per topic filter, after which the oldest message is dropped.
# Without `dynamic_filters` a subscription to a topic that nobody has published to yet fails.
_CONFIG: Final = """
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 2097152
max_segment_count = 32
"""
_LISTENER: Final = """
[v5.{number}]
name = "listener-{number}"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.{number}.connections]
connection_timeout_ms = 10000
max_payload_size = {max_payload_size}
max_inflight_count = 100
dynamic_filters = true
"""
_TLS_SECONDS: Final = 30.0  # a small board needs seconds for its first handshake
_COLLECTOR: Final = "collector"
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104  # recognised, not bound


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached only from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Certificate(NamedTuple):
    """The certificate that the broker uses for TLS, and its key."""

    cert_file: Path
    key_file: Path


class Embedded(NamedTuple):
    """The addresses of a running broker."""

    own: BrokerAddress
    """The address that the collector itself connects to."""
    shown: BrokerAddress
    """The address that devices connect to."""


@contextmanager
def embedded_broker(
    port: int | None,
    listen: str = LOOPBACK,
    credentials: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
) -> Iterator[Embedded]:
    """Run a broker during the block.

    Args:
        port: the port to listen on; None for a free one.
        listen: the IPv4 address of this machine to listen on.
        credentials: passwords by user; None to accept everyone, which only the loopback address allows.
        certificate: the certificate for TLS; the collector itself then connects to a port of the loopback
            address, without TLS.

    Raises:
        BrokerUnavailable: the package is not installed, the port is taken, or the certificate cannot be used.
    """
    assert credentials is not None or listen == LOOPBACK, "a broker that others can reach needs credentials"
    try:
        from iotcore import Broker
    except ImportError:
        raise BrokerUnavailable(
            "the embedded broker needs the package iotcore: name a broker with --broker, or install it with: "
            f"{how_to_add('collector')}"
        ) from None
    chosen = port if port is not None else _free_port(listen)
    user, own = (_COLLECTOR, secrets.token_urlsafe(32)) if credentials is not None else (None, None)
    users = None if own is None else {**(credentials or {}), _COLLECTOR: own}
    shown = BrokerAddress(listen, chosen, tls=certificate is not None)
    text = _CONFIG + _listener(1, shown, users, certificate)
    password = None if own is None else Secret(own)
    inside = BrokerAddress(listen, chosen, user=user, password=password)
    if certificate is not None:
        inside = inside._replace(host=LOOPBACK, port=_free_port(LOOPBACK))
        text += _listener(2, inside, users, None)
    # The file holds the passwords of all devices. It is there only until the broker has read it: otherwise it
    # would stay if this process was killed.
    with tempfile.TemporaryDirectory(prefix="distilbench-broker-") as folder:
        config = Path(folder, "rumqttd.toml")
        config.write_text(text)  # the folder is private to this user, and so is this file
        broker = Broker(config_path=str(config))
        try:
            broker.start()
        except (OSError, RuntimeError) as error:
            raise BrokerUnavailable(f"the embedded broker cannot use port {chosen}: {error}") from None
    try:
        if certificate is not None:
            _check_tls(shown, certificate)
        yield Embedded(inside, shown)
    finally:
        broker.stop()


def _listener(
    number: int, at: BrokerAddress, users: Mapping[str, str] | None, certificate: Certificate | None
) -> str:
    max_payload = MAX_MESSAGE_BYTES + 65_536
    text = _LISTENER.format(number=number, host=at.host, port=at.port, max_payload_size=max_payload)
    if users is not None:
        lines = [f'"{user}" = "{password}"' for user, password in users.items()]
        text += "\n".join(["", f"[v5.{number}.connections.auth]", *lines, ""])
    if certificate is not None:
        cert, key = (encode_value(str(file.absolute())) for file in certificate)
        text += f"\n[v5.{number}.tls]\ncertpath = {cert}\nkeypath = {key}\n"
    return text


def _check_tls(shown: BrokerAddress, certificate: Certificate) -> None:
    """Check that the broker accepts TLS connections; the devices decide whether to trust the certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = LOOPBACK if shown.host == _EVERYWHERE else shown.host
    try:
        with (
            socket.create_connection((host, shown.port), _TLS_SECONDS) as plain,
            context.wrap_socket(plain),
        ):
            return
    except OSError as error:
        raise BrokerUnavailable(
            f"the embedded broker cannot use the certificate {str(certificate.cert_file)!r} with the key "
            f"{str(certificate.key_file)!r}: {error}"
        ) from None


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
