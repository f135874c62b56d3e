"""The collector's MQTT clients: one receives results, the other watches the states of all agents.

The first passes on what arrives, and acknowledges a message only when its caller asks for that.
Callbacks run on paho's network thread and do nothing but put events into a queue. An exception there, or
in paho itself, becomes an event too, so the thread cannot die unnoticed.
"""

import random
import threading
import time
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.errors import BadInput, BrokerUnavailable
from commandline.broker_address import BrokerAddress
from commandline.connection.tls import tls_context
from commandline.mqtt_client import MqttClient, TakeoverPatience, client_id, new_secret
from contract.messages import Receipt, encode_message
from contract.topics import ALL_RESULTS, ALL_STATES, topic

KEEPALIVE_SECONDS: Final = 30
SESSION_EXPIRY_SECONDS: Final = 7 * 86_400
"""How long the broker keeps messages for a collector that is away."""
RECEIVE_MAXIMUM: Final = 200
"""How many messages the broker may send before they are acknowledged. Mosquitto 2.0.11 forgets this bound:
with each acknowledgement it sends as many again."""
MAX_WAITING: Final = 2 * RECEIVE_MAXIMUM
"""Reading from the broker pauses while this many messages wait, even if the broker ignores its bound."""
MAX_WAITING_BYTES: Final = 32 * 1_048_576
"""Reading also pauses while the unacknowledged messages have this many bytes; one may have a mebibyte."""
_READ_AGAIN_SECONDS: Final = 0.01
MAX_PACKET_BYTES: Final = 1_048_576
"""A broker drops larger packets. The collector rejects smaller ones that are too large, and lists them."""
_SESSION_TAKEN_OVER: Final = 0x8E
_FAILURE: Final = 0x80


class Arrival(NamedTuple):
    """A message that the broker holds until it is acknowledged."""

    message: MQTTMessage
    connection: int
    """The number of the connection that it arrived on; only there can it be acknowledged."""


class Ready(NamedTuple):
    """The client is connected and subscribed, for the first time or again."""


class Lost(NamedTuple):
    """The connection broke or was refused; the client is trying again."""

    reason: str


class Failed(NamedTuple):
    """The client has failed and will not recover by itself."""

    reason: str


Event = Arrival | Ready | Lost | Failed


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


class Subscriber:
    """A subscription to results: in a persistent session, or as a member of a group that shares the results.

    The session of a group's member is not persistent: while a member is away, messages must go to the others.
    The agents send again what the broker forgets with the session.
    """

    def __init__(
        self,
        address: BrokerAddress,
        session: str,
        events: "SimpleQueue[Any]",
        group: str | None = None,
        *,
        older: bool = False,
    ) -> None:
        """Prepare a client without connecting it.

        Args:
            address: the broker.
            session: the client id, which names the session that the broker keeps while the client is away.
            events: receives every `Event`, from the network thread.
            group: the name of the group of collectors that share the results; None to receive them all.
            older: speak MQTT 3.1.1.
        """
        self._address = address
        self._persistent = group is None
        self._filter = ALL_RESULTS if group is None else f"$share/{group}/{ALL_RESULTS}"
        self._events = events
        self._connection = 0
        self._connected_at = 0.0
        self._patience = TakeoverPatience()
        self._waiting_bytes = 0
        self._counting = threading.Lock()
        self._stopped = threading.Event()
        self._client = new_client(
            address, session, events, manual_ack=True, older=older, persistent=self._persistent
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.max_queued_messages_set(10_000)

    def start(self) -> None:
        """Connect; events arrive from then on.

        Raises:
            BrokerUnavailable: no broker answers at the address.
        """
        connect(
            self._client,
            self._address,
            clean_start=not self._persistent,
            session_seconds=SESSION_EXPIRY_SECONDS if self._persistent else 0,
        )

    def stop(self) -> None:
        """Send what is queued and disconnect; the broker keeps a persistent session."""
        self._stopped.set()
        self._client.disconnect()
        self._client.loop_stop()

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Acknowledge messages, except those of an earlier connection, which the broker sends again."""
        for arrival in arrivals:
            self._count(-len(arrival.message.payload))
            if arrival.connection == self._connection:
                self._client.ack(arrival.message.mid, arrival.message.qos)

    def send(self, receipts: Iterable[Receipt]) -> None:
        """Publish receipts. A lost receipt is sent again when its records arrive again."""
        if not self._client.is_connected():
            return
        for receipt in receipts:
            self._client.publish(topic(receipt.device_id, "receipts"), encode_message(receipt), qos=1)

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _props: object
    ) -> None:
        if code.is_failure:
            self._events.put(Lost(f"broker {self._address} refuses the collector: {code}"))
            return
        self._connection += 1
        self._connected_at = time.monotonic()
        client.subscribe(self._filter, qos=1)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        self._events.put(_subscribed(self._address, self._filter, codes))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._count(len(message.payload))
        self._events.put(Arrival(message, self._connection))
        # While this waits, nothing is read, so TCP slows the broker down. If that lasts longer than the
        # keepalive, the broker ends the connection, and sends again what was not acknowledged.
        while self._is_full and not self._stopped.is_set():
            self._stopped.wait(_READ_AGAIN_SECONDS)

    @property
    def _is_full(self) -> bool:
        return self._events.qsize() >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES

    def _count(self, size: int) -> None:
        with self._counting:
            self._waiting_bytes += size

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _props: object
    ) -> None:
        if code.value == _SESSION_TAKEN_OVER:
            self._events.put(Lost(self._taken_over()))
        elif code.value != 0:
            _reconnect_soon(self._client)
            self._events.put(_lost(self._address, code))

    def _taken_over(self) -> str:
        """Stay away for a while: two clients that reconnect at once would take turns for ever."""
        seconds = round(self._patience.after(time.monotonic() - self._connected_at))
        self._client.reconnect_delay_set(seconds, 2 * seconds)
        return (
            f"another client took the collector's session at {self._address}: does a copy of the database's "
            f"folder run elsewhere? Trying again in {seconds} s"
        )


class Watcher:
    """A subscription to the states of all agents: first the retained ones, then each new one."""

    def __init__(self, address: BrokerAddress, events: "SimpleQueue[Any]", *, older: bool = False) -> None:
        """Prepare a client without connecting it.

        Args:
            address: the broker.
            events: receives every `Event`, from the network thread.
            older: speak MQTT 3.1.1.
        """
        self._address = address
        self._events = events
        self._client = new_client(
            address, client_id("watch", new_secret()), events, manual_ack=False, older=older
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *arguments: events.put(
            _subscribed(address, ALL_STATES, arguments[3])
        )
        self._client.on_message = lambda _client, _data, message: events.put(Arrival(message, 0))
        self._client.on_disconnect = self._on_disconnect

    def start(self) -> None:
        """Connect; events arrive from then on.

        Raises:
            BrokerUnavailable: no broker answers at the address.
        """
        connect(self._client, self._address, clean_start=True)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _props: object
    ) -> None:
        if code.is_failure:
            self._events.put(Lost(f"broker {self._address} refuses the collector: {code}"))
        else:
            client.subscribe(ALL_STATES, qos=1)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        self._events.put(_subscribed(self._address, ALL_STATES, codes))

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _props: object
    ) -> None:
        if code.value != 0:
            self._events.put(_lost(self._address, code))


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
    _reconnect_soon(client)
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


def _reconnect_soon(client: Client) -> None:
    """Let a client try again after 1 s, then less and less often."""
    # Many collectors may lose a broker at the same moment: they reconnect at different times.
    client.reconnect_delay_set(1, 10 + random.randrange(10))  # noqa: S311  # spread, not secrecy


def _lost(address: BrokerAddress, code: ReasonCode) -> Lost:
    return Lost(f"the connection to broker {address} was lost ({code}); trying again")


def _subscribed(address: BrokerAddress, topics: str, codes: list[ReasonCode]) -> Ready | Failed:
    denied = [code for code in codes if code.value >= _FAILURE]
    return Failed(f"broker {address} denies reading {topics!r}: {denied[0]}") if denied else Ready()
