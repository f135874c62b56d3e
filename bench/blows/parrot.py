"""A client of the broker that repeats what devices send, and sends what nobody should."""

import random
from typing import Final

from paho.mqtt.client import MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from commandline.mqtt_client import MqttClient
from contract.messages import Batch, encode_message
from contract.records import Sample
from contract.topics import ALL_RESULTS, topic

FLOOD: Final = 100
_ODD_TEXTS: Final = ("\ufeff", "a\ufeffb", "\u202e", "\x7f\x9b", "\U0010fffd", "x" * 5_000)
_SPARSE_RECORDS: Final = 4_000


class Parrot:
    """An MQTT client that repeats the results of devices, late and in any order, and sends nonsense.

    Args:
        port: the broker's port on this machine.
        rng: decides what it sends.
        devices: how many devices there are; it takes their names.
    """

    def __init__(self, port: int, rng: random.Random, devices: int) -> None:
        self._rng = rng
        self._devices = devices
        self._heard: list[tuple[str, bytes]] = []
        self._client = MqttClient(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(ALL_RESULTS, qos=1)
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def flood(self) -> None:
        """Send many messages: repetitions and nonsense."""
        for _ in range(FLOOD):
            name, data = self._some_message()
            self._client.publish(name, data, qos=1)

    def odd_properties(self) -> None:
        """Send messages whose MQTT 5 properties hold texts at which clients stumble."""
        for _ in range(10):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's gap
            properties.UserProperty = ("k", self._rng.choice(_ODD_TEXTS))
            properties.ContentType = self._rng.choice(_ODD_TEXTS)
            name, data = self._some_message()
            self._client.publish(name, data, qos=1, properties=properties)

    def sparse_run(self) -> None:
        """Send every second record of a run of its own, in three messages."""
        run_id = f"{self._rng.getrandbits(128):032x}"
        for part in range(3):
            first = 1 + 2 * part * _SPARSE_RECORDS
            seqs = range(first, first + 2 * _SPARSE_RECORDS, 2)
            records = tuple(Sample(seq=seq, at_ns=0) for seq in seqs)
            batch = Batch(device_id="parrot", run_id=run_id, records=records)
            self._client.publish(topic("parrot", "results"), encode_message(batch), qos=1)

    def _some_message(self) -> tuple[str, bytes]:
        heard = list(self._heard)
        if heard and self._rng.random() < 0.7:
            return self._rng.choice(heard)
        name = topic(f"device-{self._rng.randrange(self._devices)}", "results")
        return name, self._rng.randbytes(self._rng.choice((0, 3, 500, 300_000)))

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        self._heard = [*self._heard[-50:], (message.topic, bytes(message.payload))]
