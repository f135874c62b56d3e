"""A small collector for the agent's tests: stores records in memory, sends receipts by the contract."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contract.messages import Batch, Receipt, Refusal, State, Stream, decode_message, encode_message
from contract.records import Record
from contract.topics import ALL_RESULTS, ALL_STATES, topic

WAIT_SECONDS = 60.0


class FakeCollector:
    """Subscribed inside the `with` block; a receipt follows each batch.

    Args:
        port: of a broker on the loopback interface.
        refuse: gives a reason for a record that is not stored.
        silent: stores records, but sends no receipts.
    """

    def __init__(
        self, port: int, refuse: Callable[[Record], str | None] = lambda _: None, *, silent: bool = False
    ) -> None:
        self.records: dict[tuple[str, int], Record] = {}
        self.refused: dict[tuple[str, int], str] = {}
        self.received = 0
        """Records received, repetitions included."""
        self.batches: list[Batch] = []
        self.states: list[State] = []
        self._refuse = refuse
        self.silent = silent
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._port = port
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="fake-collector", protocol=MQTTv5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, or fail."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS)

    def send_receipt(self, device_id: str) -> None:
        """Say again what is stored."""
        streams = tuple(self._stream(run_id) for run_id in sorted({run_id for run_id, _ in self.records}))
        receipt = Receipt(device_id=device_id, collector_id="fake", streams=streams)
        self._client.publish(topic(device_id, "receipts"), encode_message(receipt), qos=1)

    def publish(self, device_id: str, payload: bytes) -> None:
        """Send anything to where an agent reads its receipts."""
        self._client.publish(topic(device_id, "receipts"), payload, qos=1)

    def _on_connect(
        self,
        client: Client,
        _: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        client.subscribe([(ALL_RESULTS, 1), (ALL_STATES, 1)])

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        decoded = decode_message(bytes(message.payload))
        with self._changed:
            if isinstance(decoded, State):
                self.states.append(decoded)
            elif isinstance(decoded, Batch):
                self._take(decoded)
            self._changed.notify_all()

    def _take(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.received += len(batch.records)
        for record in batch.records:
            reason = self._refuse(record)
            if reason is None:
                self.records.setdefault((batch.run_id, record.seq), record)  # the first one counts
            else:
                self.refused[batch.run_id, record.seq] = reason
        if not self.silent:
            receipt = Receipt(
                device_id=batch.device_id, collector_id="fake", streams=(self._stream(batch.run_id),)
            )
            self._client.publish(topic(batch.device_id, "receipts"), encode_message(receipt), qos=1)

    def _stream(self, run_id: str) -> Stream:
        ranges: list[tuple[int, int]] = []
        for seq in sorted(seq for stored_id, seq in self.records if stored_id == run_id):
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        refused = tuple(
            Refusal(first_seq=seq, last_seq=seq, reason=reason)
            for (refused_id, seq), reason in self.refused.items()
            if refused_id == run_id
        )
        return Stream(run_id=run_id, stored=tuple(ranges), refused=refused)
