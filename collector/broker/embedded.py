"""An MQTT broker inside the collector, for a laptop and a few devices: rumqttd, by the package iotcore.

It keeps everything in memory. Agents keep their results until the collector's receipt, so a broker that
forgets costs time and nothing else. Beyond the loopback address it demands credentials, and speaks TLS where
it is given a certificate; it knows no ACL, so it is for devices that trust each other. Mosquitto is for all
others.
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
from contract.config import encode_value
from contract.messages import MAX_MESSAGE_BYTES

LOOPBACK: Final = "127.0.0.1"
NO_RIGHTS: Final = "the embedded broker knows no rights: each device can write in another's name"
EXPOSED: Final = f"{NO_RIGHTS}; without --cert-file and --key-file others can read all, passwords too"
"""What whoever lets it listen to a network is told, with TLS and without."""

# Segments bound the memory: 64 MiB a topic filter, after which the oldest message is forgotten.
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
_TLS_SECONDS: Final = 5.0
_COLLECTOR: Final = "collector"
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104  # recognised, not bound


def is_here(host: str) -> bool:
    """Whether an address is this machine's own, which no other reaches."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Certificate(NamedTuple):
    """What the broker shows to those who connect from a network."""

    cert_file: Path
    key_file: Path


class Embedded(NamedTuple):
    """A broker that runs."""

    own: BrokerAddress
    """The collector's own way in."""
    shown: BrokerAddress
    """That of devices."""


@contextmanager
def embedded_broker(
    port: int | None,
    listen: str = LOOPBACK,
    credentials: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
) -> Iterator[Embedded]:
    """Run a broker for the time of the block.

    Args:
        port: on which port; None for a free one.
        listen: an IPv4 address of this machine.
        credentials: passwords by user; None to let everybody in, which is for the loopback address only.
        certificate: for TLS; the collector itself then comes in by a port of the loopback address.

    Raises:
        BrokerUnavailable: the package is not installed, the port is taken, or the certificate cannot be used.
    """
    assert credentials is not None or listen == LOOPBACK, "whoever can reach it must say who they are"
    try:
        from iotcore import Broker
    except ImportError:
        raise BrokerUnavailable(
            "the embedded broker needs the package iotcore: pip install 'distilbench[collector]', or name a "
            "broker with --broker"
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
    with tempfile.TemporaryDirectory(prefix="distilbench-broker-") as folder:
        config = Path(folder, "rumqttd.toml")
        config.write_text(text)  # the folder is private to this user, and so is what stands in it
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
    most = MAX_MESSAGE_BYTES + 65_536
    text = _LISTENER.format(number=number, host=at.host, port=at.port, max_payload_size=most)
    if users is not None:
        lines = [f'"{user}" = "{password}"' for user, password in users.items()]
        text += "\n".join(["", f"[v5.{number}.connections.auth]", *lines, ""])
    if certificate is not None:
        cert, key = (encode_value(str(file.absolute())) for file in certificate)
        text += f"\n[v5.{number}.tls]\ncertpath = {cert}\nkeypath = {key}\n"
    return text


def _check_tls(shown: BrokerAddress, certificate: Certificate) -> None:
    """Greet the broker as a device would; whether the certificate is trusted is for devices to say."""
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
