"""The MQTT client that watches the states of all agents."""

from queue import SimpleQueue
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.reasoncodes import ReasonCode

from collector.broker.client import Arrival, Lost, connect, lost, new_client, subscribed
from commandline.broker_address import BrokerAddress
from commandline.mqtt_client import client_id, new_secret
from contract.topics import ALL_STATES


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
            subscribed(address, ALL_STATES, arguments[3])
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

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _props: object
    ) -> None:
        if code.value != 0:
            self._events.put(lost(self._address, code))
