"""The MQTT topics. Each device has one subtree, so that a broker's ACL needs one pattern per direction.

| topic | from | QoS | retained | payload |
|---|---|---|---|---|
| `distilbench/1/DEVICE/results` | agent | 1 | no | `messages.Batch` |
| `distilbench/1/DEVICE/state` | agent (also as its last will) | 1 | yes | `messages.State` |
| `distilbench/1/DEVICE/receipts` | collector | 1 | no | `messages.Receipt` |
| `distilbench/1/DEVICE/orders` | collector | 1 | yes | `orders.sealed.SealedOrders` |
"""

import re
from typing import Final, Literal, NamedTuple

from contract.errors import Malformed

Channel = Literal["results", "state", "receipts", "orders"]

ROOT: Final = "distilbench/1"
"""The same for every format version: each message states its own, and access lists name these topics."""
ALL_RESULTS: Final = f"{ROOT}/+/results"
ALL_STATES: Final = f"{ROOT}/+/state"

_TOPIC = re.compile(rf"{re.escape(ROOT)}/([a-z0-9][a-z0-9._-]{{0,62}})/(results|state|receipts|orders)")


class Topic(NamedTuple):
    """A parsed topic."""

    device_id: str
    channel: Channel


def topic(device_id: str, channel: Channel) -> str:
    """Return the topic of one device's channel."""
    return f"{ROOT}/{device_id}/{channel}"


def parse_topic(name: str) -> Topic:
    """Parse a topic.

    Raises:
        Malformed: the topic is not one of distilbench's.
    """
    match = _TOPIC.fullmatch(name)
    if match is None:
        raise Malformed(f"topic {name[:200]!r} is not {ROOT}/DEVICE/results, state, receipts or orders")
    device_id, channel = match.groups()
    return Topic(device_id, channel)  # type: ignore[arg-type]  # the pattern allows these four only
