"""A device without model and state folder: it takes orders, and answers them with made-up results.

It is one MQTT client with a thread of its own, so that one process has hundreds of them.
"""

import threading
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from msgspec.structs import replace
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from bench.processes.device import made_up
from commandline.broker_address import BrokerAddress
from commandline.connection.tls import tls_context
from commandline.mqtt_client import client_id, new_secret
from contract.errors import Malformed
from contract.messages import Batch, Receipt, State, decode_message, encode_message
from contract.orders.order import Order, OrderList
from contract.orders.progress import ENDED, OrderPhase, OrderProgress
from contract.orders.sealed import open_orders
from contract.records import Record
from contract.topics import parse_topic, topic
from tests.collector.factory import device, finished, started

PATIENCE_SECONDS: Final = 60.0


class LightDevice:
    """A device that has joined. Inside its block it is connected.

    Args:
        address: the broker, with the device's credentials.
        device_id: its name.
        secret: its secret for orders.
    """

    def __init__(self, address: BrokerAddress, device_id: str, secret: str) -> None:
        self.device_id = device_id
        self.lists: list[OrderList] = []
        """The lists that it has accepted, the newest last."""
        self.refused: list[str] = []
        """Why it did not accept others."""
        self.receipts: list[Receipt] = []
        self._heard = threading.Condition()
        """Notified when a list or a receipt has come."""
        self._secret = secret
        self._address = address
        self._session = uuid.uuid4().hex
        self._progress: dict[str, OrderProgress] = {}
        self._subscribed = threading.Event()
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id("agent", new_secret()), protocol=MQTTv5
        )
        if address.user is not None and address.password is not None:
            client.username_pw_set(address.user, address.password.reveal())
        if address.tls:
            client.tls_set_context(tls_context(address))
        client.will_set(
            topic(device_id, "state"), encode_message(self._state(state="lost")), qos=1, retain=True
        )
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._on_message
        self.client = client

    def __enter__(self) -> Self:
        self.client.connect(self._address.host, self._address.port)
        self.client.loop_start()
        if not self._subscribed.wait(PATIENCE_SECONDS):
            raise SystemExit(f"bench: {self.device_id} could not subscribe to its orders")
        self.report()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    @property
    def revision(self) -> int:
        """The revision of the list that it has; 0 before any."""
        return self.lists[-1].revision if self.lists else 0

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders in its list."""
        return self.lists[-1].orders if self.lists else ()

    def report(self, order: Order | None = None, phase: OrderPhase = "waiting", **fields: Any) -> None:
        """Publish its state; with an order, also how far that is.

        An order that has ended is reported until the list does not have it any more.
        """
        if order is not None:
            self._progress[order.id] = OrderProgress(id=order.id, phase=phase, **fields)
        listed = {each.id for each in self.orders}
        self._progress = {
            key: each for key, each in self._progress.items() if key in listed or each.phase in ENDED
        }
        self._publish("state", encode_message(self._state()), retain=True)
        self._progress = {key: each for key, each in self._progress.items() if key in listed}

    def measure(self, order: Order, answers: int) -> str:
        """Publish a run of an order with made-up answers; returns its id."""
        run_id = uuid.uuid4().hex
        first = replace(started(on=device(self.device_id)), order=order.id)
        records: list[Record] = [first, *(made_up(run_id, seq) for seq in range(1, answers + 1))]
        records.append(finished(answers + 1, answers))
        batch = Batch(device_id=self.device_id, run_id=run_id, records=tuple(records))
        self._publish("results", encode_message(batch))
        return run_id

    def has_receipt(self, run_id: str, through: int) -> bool:
        """Whether a receipt confirms the records of a run up to a number."""
        return any(
            stream.run_id == run_id and stream.through >= through
            for receipt in self.receipts
            for stream in receipt.streams
        )

    def wait_for(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds that lists and receipts change.

        Args:
            holds: returns whether it holds.
            what: what is waited for, for the message.

        Raises:
            SystemExit: it does not hold after a minute.
        """
        with self._heard:
            if not self._heard.wait_for(holds, PATIENCE_SECONDS):
                raise SystemExit(f"bench: {self.device_id} waited in vain for {what}")

    def _state(self, **changes: Any) -> State:
        plain = State(
            device_id=self.device_id,
            session_id=self._session,
            state="connected",
            agent_version="0",
            orders_revision=self.revision,
            orders=tuple(self._progress.values()),
        )
        if changes:
            plain = replace(plain, orders_revision=None, orders=(), **changes)
        return plain

    def _publish(self, channel: Any, payload: bytes, *, retain: bool = False) -> None:
        self.client.publish(topic(self.device_id, channel), payload, qos=1, retain=retain)

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe([(topic(self.device_id, "orders"), 1), (topic(self.device_id, "receipts"), 1)])

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._heard:
            payload = bytes(message.payload)
            if parse_topic(message.topic).channel == "receipts":
                receipt = decode_message(payload)
                assert isinstance(receipt, Receipt)
                self.receipts.append(receipt)
            else:
                self._take(payload)
            self._heard.notify_all()

    def _take(self, payload: bytes) -> None:
        try:
            orders = open_orders(payload, self.device_id, self._secret)
        except Malformed as error:
            self.refused.append(str(error))
            return
        if orders.revision > self.revision:
            self.lists.append(orders)
