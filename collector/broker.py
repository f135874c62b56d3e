"""An MQTT broker inside the collector, for a laptop and a few devices: rumqttd, by the package iotcore.

It listens on the loopback address only and keeps everything in memory. Agents keep their results until the
collector's receipt, so a broker that forgets costs time and nothing else.
"""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collector.address import Address
from collector.errors import BrokerUnavailable
from contract.messages import MAX_MESSAGE_BYTES

LOOPBACK: Final = "127.0.0.1"

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


@contextmanager
def embedded_broker(port: int | None) -> Iterator[Address]:
    """Run a broker for the time of the block.

    Args:
        port: on which port of the loopback address; None for a free one.

    Raises:
        BrokerUnavailable: the package is not installed, or the port is taken.
    """
    try:
        from iotcore import Broker
    except ImportError:
        raise BrokerUnavailable(
            "the embedded broker needs the package iotcore: pip install 'distilbench[collector]', or name a "
            "broker with --broker"
        ) from None
    chosen = port if port is not None else _free_port()
    with tempfile.TemporaryDirectory(prefix="distilbench-broker-") as folder:
        config = Path(folder, "rumqttd.toml")
        config.write_text(
            _CONFIG.format(host=LOOPBACK, port=chosen, max_payload_size=MAX_MESSAGE_BYTES + 65_536)
        )
        broker = Broker(config_path=str(config))
        try:
            broker.start()
        except (OSError, RuntimeError) as error:
            raise BrokerUnavailable(f"the embedded broker cannot use port {chosen}: {error}") from None
        try:
            yield Address(LOOPBACK, chosen)
        finally:
            broker.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
