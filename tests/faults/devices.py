"""A device as bare MQTT, which does what a well-behaved agent would not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from contract.messages import Batch, Receipt, decode_message, encode_message
from contract.topics import topic

PATIENCE_SECONDS = 60.0


class BareDevice:
    """Says what the broker thinks of each thing it does."""

    def __init__(self, client: Client) -> None:
        self.receipts: list[Receipt] = []
        self.heard: set[str] = set()
        """The topics of all that came."""
        self.client = client
        self._answers: dict[int, str] = {}
        self._changed = threading.Condition()
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def publish(self, device_id: str, message: Batch | bytes) -> str:
        """Publish as a device; returns the broker's reason."""
        payload = message if isinstance(message, bytes) else encode_message(message)
        return self._answer(self.client.publish(topic(device_id, "results"), payload, qos=1).mid)

    def subscribe(self, name: str) -> str:
        """Subscribe; returns the broker's reason."""
        mid = self.client.subscribe(name, qos=1)[1]
        assert mid is not None
        return self._answer(mid)

    def _answer(self, mid: int) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: mid in self._answers, PATIENCE_SECONDS)
            return self._answers.pop(mid)

    def _note(self, mid: int, reason: ReasonCode) -> None:
        with self._changed:
            self._answers[mid] = str(reason)
            self._changed.notify_all()

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _props: object
    ) -> None:
        self._note(mid, reason)

    def _on_subscribe(
        self, _client: Client, _data: object, mid: int, reasons: list[ReasonCode], _props: object
    ) -> None:
        self._note(mid, reasons[0])

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.add(message.topic)
        receipt = decode_message(bytes(message.payload))
        assert isinstance(receipt, Receipt)
        self.receipts.append(receipt)


@contextmanager
def device_at(
    port: int, device_id: str, password: str | None = None, host: str = "127.0.0.1"
) -> Iterator[BareDevice]:
    """A device that is connected and reads its receipts.

    Raises:
        ConnectionRefusedError: the broker does not let it in.
    """
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    if password is not None:
        client.username_pw_set(device_id, password)
    done = threading.Event()
    said: list[Any] = []

    def note(*arguments: Any) -> None:
        said.append(arguments[3])
        done.set()

    client.on_connect = client.on_disconnect = note
    client.connect(host, port)
    client.loop_start()
    try:
        assert done.wait(PATIENCE_SECONDS)
        if said[0].is_failure or not client.is_connected():
            raise ConnectionRefusedError(str(said[0]))
        device = BareDevice(client)
        device.subscribe(topic(device_id, "receipts"))
        yield device
    finally:
        client.disconnect()
        client.loop_stop()
