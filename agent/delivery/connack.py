"""The broker's limits and abilities, from the CONNACK packet that accepts a client."""

from typing import Final, NamedTuple

_DEFAULT_RECEIVE_MAXIMUM: Final = 65_535  # MQTT 5, 3.2.2.3.3
_DEFAULT_QOS: Final = 2


class Connack(NamedTuple):
    """What the broker announced in its CONNACK packet."""

    protocol: str
    max_packet_bytes: int | None
    """Largest packet that the broker accepts; None if it states no limit, as always in MQTT 3.1.1."""
    receive_maximum: int
    """How many messages may be unacknowledged at a time."""
    max_qos: int
    retains: bool
    """Whether the broker keeps the latest message of a topic."""


def connack_of(properties: object, *, older: bool) -> Connack:
    """Read a CONNACK packet.

    Args:
        properties: the packet's properties by MQTT's names; a missing one has its default.
        older: whether the connection uses MQTT 3.1.1.
    """
    return Connack(
        protocol="MQTT 3.1.1" if older else "MQTT 5",
        max_packet_bytes=getattr(properties, "MaximumPacketSize", None),
        receive_maximum=getattr(properties, "ReceiveMaximum", None) or _DEFAULT_RECEIVE_MAXIMUM,
        max_qos=getattr(properties, "MaximumQoS", _DEFAULT_QOS),
        retains=bool(getattr(properties, "RetainAvailable", True)),
    )
