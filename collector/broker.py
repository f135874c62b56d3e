"""An MQTT broker inside the collector, for a laptop and a few devices: rumqttd, by the package iotcore.

It keeps everything in memory. Agents keep their results until the collector's receipt, so a broker that
forgets costs time and nothing else. Beyond the loopback address it demands credentials; it knows no ACL and
no TLS, so it is for a network whose devices trust each other. Mosquitto is for all others.
"""

import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from collector.address import Address
from collector.errors import BrokerUnavailable
from contract.messages import MAX_MESSAGE_BYTES

LOOPBACK: Final = "127.0.0.1"
EXPOSED: Final = (
    "the embedded broker has passwords, but no TLS and no rights: on this network they can be read, and each "
    "device can write in another's name"
)
"""What whoever lets it listen to a network is told."""

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

[v5.1]
name = "collector"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {max_payload_size}
max_inflight_count = 100
dynamic_filters = true
"""
_COLLECTOR: Final = "collector"


def is_here(host: str) -> bool:
    """Whether an address is this machine's own, which no other reaches."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def embedded_broker(
    port: int | None, listen: str = LOOPBACK, credentials: Mapping[str, str] | None = None
) -> Iterator[Address]:
    """Run a broker for the time of the block.

    Args:
        port: on which port; None for a free one.
        listen: an IPv4 address of this machine.
        credentials: passwords by user; None to let everybody in, which is for the loopback address only.

    Yields:
        The collector's own way in.

    Raises:
        BrokerUnavailable: the package is not installed, or the port is taken.
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
    own = secrets.token_urlsafe(32) if credentials is not None else None
    with tempfile.TemporaryDirectory(prefix="distilbench-broker-") as folder:
        config = Path(folder, "rumqttd.toml")
        text = _CONFIG.format(host=listen, port=chosen, max_payload_size=MAX_MESSAGE_BYTES + 65_536)
        if own is not None:
            # The folder is private to this user, and so is what stands in it.
            text += _auth({**(credentials or {}), _COLLECTOR: own})
        config.write_text(text)
        broker = Broker(config_path=str(config))
        try:
            broker.start()
        except (OSError, RuntimeError) as error:
            raise BrokerUnavailable(f"the embedded broker cannot use port {chosen}: {error}") from None
        try:
            if own is None:
                yield Address(listen, chosen)
            else:
                yield Address(listen, chosen, _COLLECTOR, own.encode())
        finally:
            broker.stop()


def _auth(credentials: Mapping[str, str]) -> str:
    lines = [f'"{user}" = "{password}"' for user, password in credentials.items()]
    return "\n".join(["", "[v5.1.connections.auth]", *lines, ""])


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
