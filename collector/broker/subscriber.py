"""The MQTT client that receives results and, for a hub, the states of devices, and sends orders.

It passes on what arrives, and acknowledges a message only when its caller asks for that.
"""

import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from collector.broker.client import (
    RECEIVE_MAXIMUM,
    Arrival,
    Crowding,
    Lost,
    NotAccepted,
    Ready,
    Unreached,
    connect,
    lost,
    new_client,
    reconnect_soon,
    subscribed,
)
from collector.broker.room import Room
from commandline.broker_address import BrokerAddress
from commandline.mqtt_client import TakeoverPatience
from contract.messages import Receipt, encode_message
from contract.topics import ALL_RESULTS, ALL_STATES, topic

SESSION_EXPIRY_SECONDS: Final = 7 * 86_400
"""How long the broker keeps messages for a collector that is away."""
MAX_WAITING: Final = 2 * RECEIVE_MAXIMUM
"""Reading from the broker pauses while this many messages wait, even if the broker ignores its bound."""
MAX_WAITING_BYTES: Final = 32 * 1_048_576
"""Reading also pauses while the unacknowledged messages have this many bytes; one may have a mebibyte."""
_READ_AGAIN_SECONDS: Final = 0.01
_SESSION_TAKEN_OVER: Final = 0x8E


class Subscriber:
    """A subscription to all results, or to those that a group of collectors leaves to this member.

    A session that is not persistent ends with its connection; the agents send again what the broker forgets
    with it. MQTT 3.1.1 has no groups: each member receives all results.
    """

    def __init__(
        self,
        address: BrokerAddress,
        session: str,
        events: "SimpleQueue[Any]",
        group: str | None = None,
        *,
        persistent: bool = True,
        older: bool = False,
        with_states: bool = False,
    ) -> None:
        """Prepare a client without connecting it.

        Args:
            address: the broker.
            session: the client id, which names the session that the broker keeps while the client is away.
            events: receives every `Event`, from the network thread.
            group: the name of the group of collectors that share the results; None for a collector alone.
            persistent: whether the broker keeps the session while the client is away.
            older: speak MQTT 3.1.1.
            with_states: receive the states of devices too.
        """
        self._address = address
        self._persistent = persistent
        self._filter = ALL_RESULTS if group is None or older else f"$share/{group}/{ALL_RESULTS}"
        # The broker keeps no message of QoS 0 for a client that is away: states must not displace results.
        self._filters = [(self._filter, 1), *([(ALL_STATES, 0)] if with_states else [])]
        self._events = events
        self._connection = 0
        self._connected_at = 0.0
        self._allowed = False
        self._patience = TakeoverPatience()
        self._room = Room(MAX_WAITING, MAX_WAITING_BYTES)
        self._crowded = False
        self._stopped = threading.Event()
        self._client = new_client(
            address, session, events, manual_ack=True, older=older, persistent=self._persistent
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.on_connect_fail = lambda _client, _data: events.put(Unreached())
        self._client.on_publish = self._on_publish
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
            if not arrival.crowded:
                self._room.free(arrival.topic, len(arrival.message.payload))
            if arrival.connection == self._connection:
                self._client.ack(arrival.message.mid, arrival.message.qos)

    def send(self, receipts: Iterable[Receipt]) -> None:
        """Publish receipts. A lost receipt is sent again when its records arrive again."""
        if not self._client.is_connected():
            return
        for receipt in receipts:
            self._client.publish(topic(receipt.device_id, "receipts"), encode_message(receipt), qos=1)

    def send_orders(self, device_id: str, message: bytes) -> bool:
        """Publish the orders of a device, which the broker keeps for it; False without a connection."""
        if not self._client.is_connected():
            return False
        self._client.publish(topic(device_id, "orders"), message, qos=1, retain=True)
        return True

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _props: object
    ) -> None:
        if code.is_failure:
            self._events.put(Lost(f"broker {self._address} refuses the collector: {code}"))
            return
        self._connection += 1
        self._connected_at = time.monotonic()
        client.subscribe(self._filters)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        named = " and ".join(name for name, _ in self._filters)
        answer = subscribed(self._address, named, codes)
        if isinstance(answer, Ready):
            self._allowed = True
        if isinstance(answer, Ready) or not self._allowed:
            self._events.put(answer)
            return
        # What a broker allowed before, it denies if it fails: NATS does while it elects a new leader.
        self._events.put(Lost(answer.reason))
        wire = self._client.socket()
        if isinstance(wire, socket.socket):
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def _on_publish(
        self, _client: Client, _data: object, _mid: int, code: ReasonCode, _props: object
    ) -> None:
        if code.is_failure:
            reason = f"broker {self._address} does not let the collector publish: {code}"
            self._events.put(NotAccepted(reason))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        arrival = Arrival(message, self._connection)
        if not self._room.take(arrival.topic, len(message.payload)):
            # It is acknowledged in its turn. No receipt comes for it, so an agent sends it again.
            message.payload = b""
            arrival = arrival._replace(crowded=True)
            if not self._crowded:
                self._crowded = True
                self._events.put(Crowding(arrival.source))
        self._events.put(arrival)
        # While this waits, nothing is read, so TCP slows the broker down. If that lasts longer than the
        # keepalive, the broker ends the connection, and sends again what was not acknowledged.
        while self._is_full and not self._stopped.is_set():
            self._stopped.wait(_READ_AGAIN_SECONDS)

    @property
    def _is_full(self) -> bool:
        return self._events.qsize() >= MAX_WAITING or self._room.taken_bytes >= MAX_WAITING_BYTES

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _props: object
    ) -> None:
        if code.value == _SESSION_TAKEN_OVER:
            self._events.put(self._taken_over())
        elif code.value != 0:
            reconnect_soon(self._client)
            self._events.put(lost(self._address, code))

    def _taken_over(self) -> Lost:
        """Stay away for a while: two clients that reconnect at once would take turns for ever."""
        seconds = round(self._patience.after(time.monotonic() - self._connected_at))
        self._client.reconnect_delay_set(seconds, 2 * seconds)
        who = f"another client took the collector's session at {self._address}"
        if not self._persistent:  # its name is in no file that could be copied
            return Lost(who, f"; trying again in {seconds} s")
        return Lost(
            f"{who}: does a copy of the database's folder run elsewhere?", f" Trying again in {seconds} s"
        )
