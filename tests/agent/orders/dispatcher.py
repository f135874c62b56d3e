"""A hub with a device that has joined it, and what gives that device orders and hears of them."""

import json
import sqlite3
import ssl
import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from agent.bundles.bundle import describe
from contract.messages import State, decode_message
from contract.orders.order import Order, OrderedRun, OrderList
from contract.orders.progress import OrderProgress
from contract.orders.sealed import seal_orders
from contract.questions import decode_questions
from contract.topics import topic
from tests.collector.hub.running_hub import RunningHub
from tests.collector.running_collector import wait_until

DEVICE = "pi-5"
WAIT_SECONDS = 120.0


class Dispatcher:
    """Connected to the hub's Mosquitto as its collector is, inside the `with` block.

    Args:
        hub: a hub that does not know the device's secret, and so sends it no orders itself.
        secret: the device's secret for orders.
    """

    def __init__(self, hub: RunningHub, secret: str) -> None:
        self._hub = hub
        self._secret = secret
        self.revision = 0
        self.states: list[State] = []
        self._changed = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"dispatcher-{uuid.uuid4().hex}", protocol=MQTTv5
        )
        self._client.username_pw_set("collector", (hub.folder / "collector.password").read_text().strip())
        self._client.tls_set_context(ssl.create_default_context(cafile=str(hub.folder / "ca.crt")))
        self._client.on_connect = lambda client, *_: client.subscribe(topic(DEVICE, "state"), 1)
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._hub.mqtt_port)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def order(self, *orders: Order, revision: int | None = None, secret: str | None = None) -> bytes:
        """Publish a list; returns the message."""
        if revision is None:
            self.revision = revision = self.revision + 1
        message = seal_orders(
            OrderList(device_id=DEVICE, revision=revision, orders=orders), secret or self._secret
        )
        self.publish(message)
        return message

    def publish(self, message: bytes) -> None:
        """Publish any message as the device's orders, once the broker is there."""
        wait_until(self._client.is_connected, "the broker")
        self._client.publish(topic(DEVICE, "orders"), message, 1, retain=True).wait_for_publish(WAIT_SECONDS)

    def progress(self, order: Order) -> OrderProgress | None:
        """The newest word on an order."""
        for state in reversed(self.states):
            if state.orders_revision is not None:
                return next((each for each in state.orders if each.id == order.id), None)
        return None

    def phases(self, order: Order) -> list[str]:
        """The phases of an order as they were reported, without repetitions."""
        found: list[str] = []
        for state in self.states:
            for each in state.orders:
                if each.id == order.id and found[-1:] != [each.phase]:
                    found.append(each.phase)
        return found

    def wait_for(self, order: Order, *phases: str) -> OrderProgress:
        """Wait until an order is in one of these phases."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._phase(order) in phases, WAIT_SECONDS), self.states[
                -3:
            ]
        found = self.progress(order)
        assert found is not None
        return found

    def wait_until(self, condition: Callable[[State], bool]) -> None:
        """Wait for a state of the device since the last `forget`."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(condition, self.states)), WAIT_SECONDS)

    def forget(self) -> None:
        """Forget what was reported so far."""
        with self._changed:
            self.states.clear()

    def _phase(self, order: Order) -> str | None:
        found = self.progress(order)
        return None if found is None else found.phase

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        state = decode_message(bytes(message.payload))
        assert isinstance(state, State)
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()


def order_of(hub: RunningHub, *bundles: str, now: bool = False, rounds_of_all: int = 1, **run: Any) -> Order:
    """An order of bundles of the hub on its questions, in one run with these settings."""
    data = (hub.folder / "questions" / "songs.json").read_bytes()
    settings = {"warmup": 2, "threads": 1} | run
    return Order(
        id=uuid.uuid4().hex,
        created_at="2026-11-30T10:00:00Z",
        now=now,
        bundles={name: describe(hub.folder / "bundles" / name).sha256 for name in bundles},
        questions={"songs.json": decode_questions(data).sha256},
        runs=(OrderedRun(bundles=bundles, questions="songs.json", **settings),),
        rounds=rounds_of_all,
        cool_down_minutes=0.0,
    )


def runs_of(outbox: Path) -> list[tuple[str, bool, int]]:
    """The runs in an outbox, in order: id, whether they have ended, and how many questions they asked."""
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as db:
        return [
            (run_id, bool(finished), asked)
            for run_id, finished, asked in db.execute(
                "SELECT run_id, finished, asked FROM runs ORDER BY rowid"
            )
        ]


def records_of(outbox: Path, run_id: str) -> list[dict[str, Any]]:
    """The records of a run that the outbox still has."""
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT body FROM records WHERE run_id = ? ORDER BY seq", (run_id,)).fetchall()
    return [json.loads(body) for (body,) in rows]
