"""The collector's MQTT 5 clients: one takes results, the other looks at the states of all agents.

The first hands over what arrives and acknowledges only what it is told to.
Callbacks run on paho's network thread and do nothing but put events into a queue; an exception there, or
in paho itself, becomes an event too, so the thread cannot die in silence.
"""

import random
import ssl
import threading
import uuid
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.errors import BadInput, BrokerUnavailable
from commandline.broker_address import BrokerAddress
from contract.messages import Receipt, encode_message
from contract.topics import ALL_RESULTS, ALL_STATES, topic

KEEPALIVE_SECONDS: Final = 30
SESSION_EXPIRY_SECONDS: Final = 7 * 86_400
"""How long the broker keeps messages for a collector that is away."""
RECEIVE_MAXIMUM: Final = 200
"""Messages the broker may have sent and we not yet acknowledged. Mosquitto 2.0.11 forgets this bound: with
each acknowledgement it sends as many again."""
MAX_WAITING: Final = 2 * RECEIVE_MAXIMUM
"""With so many messages waiting we stop reading from the broker, whatever it thinks of its bound."""
MAX_WAITING_BYTES: Final = 32 * 1_048_576
"""And with so many bytes of those that are not acknowledged: a message may have a mebibyte."""
_READ_AGAIN_SECONDS: Final = 0.01
MAX_PACKET_BYTES: Final = 1_048_576
"""A broker drops what is larger. What is too large for us and smaller than this is rejected by us, seen."""
_SESSION_TAKEN_OVER: Final = 0x8E
_FAILURE: Final = 0x80


class Arrival(NamedTuple):
    """A message that the broker holds until it is acknowledged."""

    message: MQTTMessage
    connection: int
    """Which connection it came by: it can be acknowledged on that one only."""


class Ready(NamedTuple):
    """Connected and subscribed, the first time or again."""


class Lost(NamedTuple):
    """The connection broke or was refused; it is being tried again."""

    reason: str


class Failed(NamedTuple):
    """It will not work again by itself."""

    reason: str


Event = Arrival | Ready | Lost | Failed


class _Client(Client):
    """A client whose network thread says why it ends."""

    events: "SimpleQueue[Any]"

    def loop_forever(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().loop_forever(*args, **kwargs)
        except Exception as error:  # whatever paho raises would otherwise end the thread unseen
            self.events.put(Failed(f"the MQTT client failed: {error!r}"))
            return None


class Subscriber:
    """One session at a broker: persistent, or a share in a group's work.

    A share is not persistent: what a member does not take while it is away must go to the others, and what
    the broker forgets with its session is sent again by the agents.
    """

    def __init__(
        self, address: BrokerAddress, client_id: str, events: "SimpleQueue[Any]", group: str | None = None
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            address: the broker.
            client_id: names the session, which the broker keeps while we are away.
            events: takes every `Event`, from the network thread.
            group: of collectors that share the results; None to take them all.
        """
        self._address = address
        self._persistent = group is None
        self._filter = ALL_RESULTS if group is None else f"$share/{group}/{ALL_RESULTS}"
        self._events = events
        self._connection = 0
        self._waiting_bytes = 0
        self._counting = threading.Lock()
        self._stopped = threading.Event()
        self._client = new_client(address, client_id, events, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.max_queued_messages_set(10_000)

    def start(self) -> None:
        """Connect; from now on events come.

        Raises:
            BrokerUnavailable: nobody answers there.
        """
        connect(
            self._client,
            self._address,
            clean_start=not self._persistent,
            session_seconds=SESSION_EXPIRY_SECONDS if self._persistent else 0,
        )

    def stop(self) -> None:
        """Send what is queued, say goodbye and keep the session."""
        self._stopped.set()
        self._client.disconnect()
        self._client.loop_stop()

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Let the broker forget messages; those of an earlier connection come again instead."""
        for arrival in arrivals:
            self._count(-len(arrival.message.payload))
            if arrival.connection == self._connection:
                self._client.ack(arrival.message.mid, arrival.message.qos)

    def send(self, receipts: Iterable[Receipt]) -> None:
        """Publish receipts. One that gets lost is sent again when its records come again."""
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
        client.subscribe(self._filter, qos=1)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        self._events.put(_subscribed(self._address, self._filter, codes))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._count(len(message.payload))
        self._events.put(Arrival(message, self._connection))
        # While this waits, nothing is read, so TCP holds the broker back. Should that last longer than the
        # keepalive, the broker ends the connection, and what was not acknowledged comes again.
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
            self._events.put(Failed(f"another collector with this database connected to {self._address}"))
        elif code.value != 0:
            self._events.put(Lost(f"broker {self._address} was lost ({code}); trying again"))


class Watcher:
    """Sees the state of every agent: the retained ones first, then each as it comes."""

    def __init__(self, address: BrokerAddress, events: "SimpleQueue[Any]") -> None:
        """Prepare; nothing is connected yet.

        Args:
            address: the broker.
            events: takes every `Event`, from the network thread.
        """
        self._address = address
        self._events = events
        self._client = new_client(
            address, f"distilbench-watch-{uuid.uuid4().hex[:12]}", events, manual_ack=False
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *arguments: events.put(
            _subscribed(address, ALL_STATES, arguments[3])
        )
        self._client.on_message = lambda _client, _data, message: events.put(Arrival(message, 0))
        self._client.on_disconnect = self._on_disconnect

    def start(self) -> None:
        """Connect; from now on events come.

        Raises:
            BrokerUnavailable: nobody answers there.
        """
        connect(self._client, self._address, clean_start=True)

    def stop(self) -> None:
        """Say goodbye."""
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
            self._events.put(Lost(f"broker {self._address} was lost ({code}); trying again"))


def new_client(
    address: BrokerAddress, client_id: str, events: "SimpleQueue[Any]", *, manual_ack: bool = False
) -> Client:
    """A client of a broker, not connected yet.

    Raises:
        BadInput: its certificates cannot be used.
    """
    client = _Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5, manual_ack=manual_ack)
    client.events = events
    # Many collectors may lose one broker at one moment: each comes back in its own time.
    client.reconnect_delay_set(1, 10 + random.randrange(10))  # noqa: S311  # spread, not secrecy
    if address.user is not None:
        client.username_pw_set(address.user, address.password.reveal() if address.password else None)
    if address.tls:
        try:
            context = ssl.create_default_context(cafile=address.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(f"CA file {str(address.ca_file)!r} cannot be used: {error}") from None
        if address.cert_file is not None:
            try:
                context.load_cert_chain(address.cert_file, address.key_file)
            except (OSError, ssl.SSLError) as error:
                raise BadInput(f"certificate {str(address.cert_file)!r} cannot be used: {error}") from None
        client.tls_set_context(context)
    return client


def connect(client: Client, address: BrokerAddress, *, clean_start: bool, session_seconds: int = 0) -> None:
    """Connect, and let the network thread run.

    Args:
        client: made by `new_client`.
        address: the broker.
        clean_start: forget what the broker keeps of an earlier session.
        session_seconds: how long the broker shall keep this one.

    Raises:
        BrokerUnavailable: nobody answers there.
    """
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's gap
    properties.SessionExpiryInterval = session_seconds
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    try:
        client.connect(
            address.host,
            address.port,
            keepalive=KEEPALIVE_SECONDS,
            clean_start=clean_start,
            properties=properties,
        )
    except (OSError, ValueError) as error:
        raise BrokerUnavailable(f"no broker answers at {address}: {error}") from None
    client.loop_start()


def _subscribed(address: BrokerAddress, topics: str, codes: list[ReasonCode]) -> Ready | Failed:
    denied = [code for code in codes if code.value >= _FAILURE]
    return Failed(f"broker {address} denies {topics!r}: {denied[0]}") if denied else Ready()
