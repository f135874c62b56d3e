"""The MQTT client that receives results.

It passes on what arrives, and acknowledges a message only when its caller asks for that.
"""

import threading
import time
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from collector.broker.client import (
    RECEIVE_MAXIMUM,
    Arrival,
    Lost,
    connect,
    lost,
    new_client,
    reconnect_soon,
    subscribed,
)
from commandline.broker_address import BrokerAddress
from commandline.mqtt_client import TakeoverPatience
from contract.messages import Receipt, encode_message
from contract.topics import ALL_RESULTS, topic

SESSION_EXPIRY_SECONDS: Final = 7 * 86_400
"""How long the broker keeps messages for a collector that is away."""
MAX_WAITING: Final = 2 * RECEIVE_MAXIMUM
"""Reading from the broker pauses while this many messages wait, even if the broker ignores its bound."""
MAX_WAITING_BYTES: Final = 32 * 1_048_576
"""Reading also pauses while the unacknowledged messages have this many bytes; one may have a mebibyte."""
_READ_AGAIN_SECONDS: Final = 0.01
_SESSION_TAKEN_OVER: Final = 0x8E


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
        self._events.put(subscribed(self._address, self._filter, codes))

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
            reconnect_soon(self._client)
            self._events.put(lost(self._address, code))

    def _taken_over(self) -> str:
        """Stay away for a while: two clients that reconnect at once would take turns for ever."""
        seconds = round(self._patience.after(time.monotonic() - self._connected_at))
        self._client.reconnect_delay_set(seconds, 2 * seconds)
        return (
            f"another client took the collector's session at {self._address}: does a copy of the database's "
            f"folder run elsewhere? Trying again in {seconds} s"
        )
