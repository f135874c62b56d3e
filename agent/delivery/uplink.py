"""One connection to the broker, from opening to loss: publishes for one device and receives its receipts.

It has no worker thread: `turn` does what can be done now and returns, so the parent decides when the network
may cost time. Only opening a connection (names, TCP, TLS), which can take long and is mostly waiting, runs in
a thread of its own. This is the only module of the agent that imports paho.
"""

import threading
import time
from datetime import datetime
from typing import Final, Literal

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.delivery.acknowledgements import Acknowledgement, Acknowledgements
from agent.delivery.batches import Packed
from agent.delivery.connack import Connack, connack_of
from agent.delivery.connection_loss import ended, never_made
from agent.outbox.summary import LinkState
from commandline.broker_address import BrokerAddress
from commandline.certificate import peer_ends
from commandline.connection.tls import tls_context
from commandline.mqtt_client import MqttClient, client_id, new_secret
from contract.codec import printable
from contract.messages import MAX_MESSAGE_BYTES
from contract.topics import Channel, topic

KEEPALIVE_SECONDS: Final = 20
GREETING_SECONDS: Final = 15.0
GOODBYE_SECONDS: Final = 1.0
ACKNOWLEDGE_SECONDS: Final = 30.0
"""A broker that has not acknowledged a message for this long counts as unreachable."""
_POLL_SECONDS: Final = 0.05
_MAX_TURNS: Final = 200
_HEADER_BYTES: Final = 256
"""More than a PUBLISH packet takes besides its payload."""
_MOST_ORDERS: Final = 16
"""How many messages of orders are kept until they are read."""
_TAKEN_OVER: Final = 0x8E
_OLDER_PROTOCOL: Final = 0x84
_NOT_LET_IN: Final = frozenset((0x86, 0x87, 0x8C))

Phase = Literal["dialling", "greeting", "ready", "lost"]


class Uplink:
    """A connection that is being opened, is open or is lost; it is never opened twice.

    Args:
        broker: the broker's address and credentials.
        device_id: decides the topics and the client's name.
        will: what the broker publishes as the agent's state if the connection breaks; None for nothing.
        older: use MQTT 3.1.1, in which a broker cannot give a reason when it refuses something.
        role: part of the client's name; a broker allows one client of a name at a time.
        secret: the part of the client's name that nobody else knows; None for a new one.
        orders: whether to receive the device's orders, too.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        device_id: str,
        will: bytes | None,
        *,
        older: bool = False,
        role: str = "agent",
        secret: str | None = None,
        orders: bool = False,
    ) -> None:
        self._broker = broker
        self._device_id = device_id
        self.phase: Phase = "dialling"
        self.problem = ""
        """Why the connection is lost, as one sentence."""
        self.link: LinkState = "broken"
        """What kind of loss it is."""
        self.wants_older = False
        """Whether it is lost because the broker does not support MQTT 5."""
        self.silent = False
        """Whether it is lost because the broker never answered CONNECT, as some brokers do with MQTT 5."""
        self.max_bytes = MAX_MESSAGE_BYTES
        """Largest payload: the contract's limit, or the broker's if that is less."""
        self.connack: Connack | None = None
        """The broker's limits; None until it has accepted this client."""
        self._client_id = client_id(f"{role}-{device_id}", secret or new_secret())
        self._callbacks = 0
        self._channels: tuple[Channel, ...] = ("receipts", "orders") if orders else ("receipts",)
        self._received: dict[Channel, list[bytes]] = {channel: [] for channel in self._channels}
        self.no_orders = ""
        """Why the broker does not let this device read its orders, as one sentence; empty if it does."""
        self._acknowledgements = Acknowledgements()
        self._older = older
        self._qos = 1
        self._last_error = ""
        self._dial_problem = ""
        self._greeted_by = 0.0
        self._client = self._new_client(will)
        self._dialling = threading.Thread(target=self._dial, daemon=True)
        self._dialling.start()

    def turn(self, wait_seconds: float = 0.0) -> None:
        """Read and write what can be read and written, after waiting at most this long for the broker."""
        if self.phase == "dialling":
            self._dialling.join(wait_seconds)
            if self._dialling.is_alive():
                return
            if self._dial_problem:
                self._lose(*never_made(self._broker, self._dial_problem))
                return
            self.phase = "greeting"
            self._greeted_by = time.monotonic() + GREETING_SECONDS
        for _ in range(_MAX_TURNS):
            if self.phase == "lost":
                break
            callbacks = self._callbacks
            try:
                if self._client.loop(wait_seconds) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    self._lose_connection("it broke")
            except Exception as error:  # what paho raises on data that is not MQTT must not end a run
                self._lose(f"{self._broker} sent data that is not MQTT: {error!r}")
            wait_seconds = 0.0
            if callbacks == self._callbacks and not self._client.want_write():
                break
        if self.phase == "greeting" and time.monotonic() > self._greeted_by:
            self.silent = self.connack is None
            self._lose(f"{self._broker} does not answer", "unreachable")
        if self._acknowledgements.waiting_seconds > ACKNOWLEDGE_SECONDS:
            self._lose(f"{self._broker} does not acknowledge messages", "unreachable")
        if self.phase == "lost":
            self._hang_up()

    @property
    def descriptor(self) -> int | None:
        """The descriptor to wait at for what the broker sends; None while there is no connection."""
        wire = None if self.phase in ("dialling", "lost") else self._client.socket()
        return None if wire is None else wire.fileno()

    @property
    def has_room(self) -> bool:
        """Whether the broker allows one more unacknowledged message; paho ignores its limit."""
        connack = self.connack
        return connack is None or self._acknowledgements.missing < connack.receive_maximum

    def send(self, packed: Packed) -> None:
        """Send results to the broker; `acknowledged` returns its answer later."""
        self._acknowledgements.expect(self._publish("results", packed.payload), packed)

    def announce(self, payload: bytes) -> None:
        """Send the agent's state to the broker, which keeps the latest one."""
        self._acknowledgements.expect(self._publish("state", payload, retain=True), None)

    def abandon(self, problem: str, link: LinkState = "broken") -> None:
        """Give up the connection."""
        self._lose(problem, link)

    def acknowledged(self) -> list[Acknowledgement]:
        """The acknowledgements of results that came since the last call."""
        return self._acknowledgements.acknowledged()

    def receipts(self) -> list[bytes]:
        """The payloads of the receipts that came since the last call."""
        return self._taken("receipts")

    def orders(self) -> list[bytes]:
        """The payloads of the orders that came since the last call."""
        return self._taken("orders")

    def _taken(self, channel: Channel) -> list[bytes]:
        payloads = self._received.get(channel, [])
        self._received[channel] = []
        return payloads

    def close(self) -> None:
        """Send what was published and then DISCONNECT, so that the broker does not publish the will.

        A broker that finds the connection closed while it acknowledges treats it as lost, even if DISCONNECT
        waits to be read. So this waits for the broker's acknowledgements first.
        """
        deadline = time.monotonic() + GOODBYE_SECONDS
        if self.phase == "dialling":
            self.turn(GOODBYE_SECONDS)
        while self.phase == "ready" and time.monotonic() < deadline:
            if not (self._client.want_write() or self._acknowledgements.missing):
                break
            self.turn(_POLL_SECONDS)
        if self.phase in ("greeting", "ready"):
            self._lose("this agent closed the connection")

    def _publish(self, channel: Channel, payload: bytes, *, retain: bool = False) -> int:
        return self._client.publish(topic(self._device_id, channel), payload, qos=1, retain=retain).mid

    @property
    def certificate_ends(self) -> datetime | None:
        """When the broker's certificate expires; None without TLS."""
        return peer_ends(self._client.socket())

    def _new_client(self, will: bytes | None) -> Client:
        client = MqttClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTv311 if self._older else MQTTv5,
        )
        if self._broker.user is not None:
            password = self._broker.password
            client.username_pw_set(self._broker.user, password.reveal() if password else None)
        if will is not None:
            client.will_set(topic(self._device_id, "state"), will, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log
        return client

    def _dial(self) -> None:
        try:
            if self._broker.tls:
                self._client.tls_set_context(tls_context(self._broker))
            # With TLS 1.3 a broker can refuse our certificate after the connection is open, and may have
            # closed it by then: what paho writes at once would fail before the alert is read.
            self._client.on_socket_register_write = _write_later
            properties = None
            if not self._older:
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's gap
                properties.MaximumPacketSize = MAX_MESSAGE_BYTES + _HEADER_BYTES
            self._client.connect(
                self._broker.host, self._broker.port, KEEPALIVE_SECONDS, properties=properties
            )
            self._client.on_socket_register_write = None
        except (OSError, ValueError) as error:  # an unsuitable certificate can be a ValueError
            self._dial_problem = printable(getattr(error, "strerror", None) or str(error) or repr(error))

    def _lose_connection(self, how: str) -> None:
        if self.phase == "lost":
            return
        greeting = self.phase == "greeting"
        loss = ended(self._broker, how, self._last_error, greeting=greeting)
        self.silent = loss.link == "broken" and greeting and self.connack is None
        self._lose(*loss)

    def _lose(self, problem: str, link: LinkState = "broken") -> None:
        if self.phase == "lost":
            return
        self.phase = "lost"
        self.problem = problem
        self.link = link
        self._client.disconnect()

    def _hang_up(self) -> None:
        """Close the socket of a connection that was lost in a callback, where paho cannot close it."""
        if self._client.socket() is not None:
            self._client.loop_write()
        if (wire := self._client.socket()) is not None:
            wire.close()
        # paho closes its other sockets when it is deleted: no reference cycle may keep it alive.
        self._client.on_connect = self._client.on_subscribe = self._client.on_publish = None
        self._client.on_message = self._client.on_disconnect = self._client.on_log = None

    def _on_connect(
        self,
        client: Client,
        _: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._callbacks += 1
        if reason.is_failure:
            self.wants_older = reason.value == _OLDER_PROTOCOL and not self._older
            link: LinkState = "not let in" if reason.value in _NOT_LET_IN else "unreachable"
            self._lose(f"{self._broker} does not let this agent in: {reason}", link)
            return
        self.connack = connack_of(properties, older=self._older)
        if (limit := self.connack.max_packet_bytes) is not None:
            self.max_bytes = min(self.max_bytes, limit - _HEADER_BYTES)
        self._subscribe(client)

    def _subscribe(self, client: Client) -> None:
        client.subscribe([(topic(self._device_id, channel), self._qos) for channel in self._channels])

    def _on_subscribe(
        self, client: Client, _: object, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        self._callbacks += 1
        if self._older and self._qos and any(reason.is_failure for reason in reasons):
            # NATS keeps messages of QoS 1 for a client on several nodes, and often cannot while one of
            # them is down. Without that a receipt may be lost; then its records are sent again.
            self._qos = 0
            self._subscribe(client)
        elif reasons[0].is_failure:
            self._lose(
                f"{self._broker} does not let '{self._device_id}' read its receipts: {reasons[0]}",
                "may not read",
            )
        else:
            self.phase = "ready"
            if any(reason.is_failure for reason in reasons[1:]):
                self.no_orders = (
                    f"{self._broker} does not let '{self._device_id}' read its orders: {reasons[1]}"
                )

    def _on_publish(
        self, client: Client, _: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._callbacks += 1
        sentence = f"{self._broker} does not accept results of '{self._device_id}': {reason}"
        self._acknowledgements.note(mid, reason.value, sentence)

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        self._callbacks += 1
        for channel, payloads in self._received.items():
            if message.topic == topic(self._device_id, channel):
                payloads.append(bytes(message.payload))
        if "orders" in self._received:
            del self._received["orders"][:-_MOST_ORDERS]  # each list replaces the one before

    def _on_disconnect(
        self,
        client: Client,
        _: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.value == _TAKEN_OVER:
            self._lose(
                f"another agent has connected to {self._broker} with a copy of this state folder, as "
                f"'{self._device_id}': give each device a state folder of its own",
                "taken over",
            )
        self._lose_connection(str(reason))

    def _on_log(self, client: Client, _: object, level: int, line: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._last_error = printable(line.partition(": ")[2])


def _write_later(_client: Client, _data: object, _socket: object) -> None:
    """Makes paho write in `loop`, after reading, and not as soon as something is to be sent."""
