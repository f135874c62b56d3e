"""The collector's MQTT clients, and the events that they put into a queue.

Callbacks run on paho's network thread and do nothing else. An exception there, or in paho itself, becomes an
event too, so the thread cannot die unnoticed.
"""

import random
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.errors import BadInput, BrokerUnavailable
from commandline.broker_address import BrokerAddress
from commandline.connection.tls import tls_context
from commandline.mqtt_client import MqttClient

KEEPALIVE_SECONDS: Final = 30
RECEIVE_MAXIMUM: Final = 200
"""How many messages the broker may send before they are acknowledged. Mosquitto 2.0.11 forgets this bound:
with each acknowledgement it sends as many again."""
MAX_PACKET_BYTES: Final = 1_048_576
"""A broker drops larger packets. The collector rejects smaller ones that are too large, and lists them."""
_FAILURE: Final = 0x80


class Arrival(NamedTuple):
    """A message that the broker holds until it is acknowledged."""

    message: MQTTMessage
    connection: int
    """The number of the connection that it arrived on; only there can it be acknowledged."""
    crowded: bool = False
    """Whether its sender has more than its share of the room: it is acknowledged in its turn, and dropped."""

    @property
    def topic(self) -> str | None:
        """The topic that it arrived on; None if that is not UTF-8, and so not a device's."""
        try:
            return self.message.topic
        except UnicodeDecodeError:
            return None

    @property
    def source(self) -> str:
        """The topic in words."""
        return self.topic or "a topic that is not UTF-8"

    @property
    def data(self) -> bytes:
        """The payload."""
        return bytes(self.message.payload)


class Ready(NamedTuple):
    """The client is connected and subscribed, for the first time or again."""


class Lost(NamedTuple):
    """The connection broke or was refused; the client tries again."""

    reason: str
    again: str = "; trying again"
    """The end of the sentence that begins with the reason, for a client that was connected before."""


class Unreached(NamedTuple):
    """An attempt to connect again failed before the broker answered; the client tries again."""


class NotAccepted(NamedTuple):
    """The broker did not accept a message of the client."""

    reason: str


class Crowding(NamedTuple):
    """Messages of a topic were dropped, since more of them waited than its share.

    The client says so once, for the first topic only.
    """

    topic: str


class Failed(NamedTuple):
    """The client has failed and will not recover by itself."""

    reason: str


Event = Arrival | Ready | Lost | Unreached | NotAccepted | Crowding | Failed


class _Client(MqttClient):
    """A client with a network thread that reports why it ends."""

    events: "SimpleQueue[Any]"
    older: bool
    """Whether it speaks MQTT 3.1.1, in which a broker cannot give a reason when it refuses something."""

    def loop_forever(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().loop_forever(*args, **kwargs)
        except Exception as error:  # whatever paho raises would otherwise end the thread unseen
            self.events.put(Failed(f"the MQTT client failed: {error!r}"))
            return None


def new_client(
    address: BrokerAddress,
    name: str,
    events: "SimpleQueue[Any]",
    *,
    manual_ack: bool = False,
    older: bool = False,
    persistent: bool = False,
) -> Client:
    """Make a client of a broker that is not connected yet.

    Args:
        address: the broker.
        name: the client id, which names its session too.
        events: receives a `Failed` if the client fails.
        manual_ack: acknowledge messages only by `Client.ack`.
        older: speak MQTT 3.1.1.
        persistent: whether the broker keeps the session; used by MQTT 3.1.1, as `connect` asks for it in 5.

    Raises:
        BadInput: the certificates of the address cannot be used.
    """
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTv311 if older else MQTTv5,
        clean_session=not persistent if older else None,
        manual_ack=manual_ack,
    )
    client.events, client.older = events, older
    reconnect_soon(client)
    if address.user is not None:
        client.username_pw_set(address.user, address.password.reveal() if address.password else None)
    if address.tls:
        try:
            client.tls_set_context(tls_context(address))
        except ValueError as error:
            raise BadInput(str(error)) from None
    return client


def connect(client: Client, address: BrokerAddress, *, clean_start: bool, session_seconds: int = 0) -> None:
    """Connect a client and start its network thread.

    Args:
        client: made by `new_client`.
        address: the broker.
        clean_start: let the broker drop what it keeps of an earlier session.
        session_seconds: how long the broker should keep this session.

    Raises:
        BrokerUnavailable: no broker answers at the address.
    """
    how: dict[str, Any] = {}
    if not (isinstance(client, _Client) and client.older):
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's gap
        properties.SessionExpiryInterval = session_seconds
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        how = {"clean_start": clean_start, "properties": properties}
    try:
        client.connect(address.host, address.port, keepalive=KEEPALIVE_SECONDS, **how)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BrokerUnavailable(f"no broker answers at {address}: {reason}") from None
    client.loop_start()


def reconnect_soon(client: Client) -> None:
    """Let a client try again after 1 s, then less and less often."""
    # Many collectors may lose a broker at the same moment: they reconnect at different times.
    client.reconnect_delay_set(1, 10 + random.randrange(10))  # noqa: S311  # spread, not secrecy


def lost(address: BrokerAddress, code: ReasonCode) -> Lost:
    """Say that the connection broke."""
    return Lost(f"the connection to broker {address} was lost ({code})")


def subscribed(address: BrokerAddress, topics: str, codes: list[ReasonCode]) -> Ready | Failed:
    """Say whether the broker allows to read topics, by its answer."""
    denied = [code for code in codes if code.value >= _FAILURE]
    return Failed(f"broker {address} denies reading {topics!r}: {denied[0]}") if denied else Ready()
