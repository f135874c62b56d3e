"""When a device's list is published, and what is written down of what it reports."""

import pytest

from collector.errors import StorageUnavailable
from collector.orders.order_rows import add, list_states, stored_orders
from collector.serving import dispatcher as module
from collector.serving.dispatcher import AGAIN_SECONDS, LOOK_SECONDS, Dispatcher
from collector.store.database import Store
from contract.errors import Malformed
from contract.messages import State, encode_message
from contract.orders.order import OrderList
from contract.orders.progress import OrderProgress
from contract.orders.sealed import open_orders, seal_orders
from tests.collector.orders.ordering import BY, OTHER, PI, SECRET, order, state


class Bench:
    """A dispatcher with a clock, and what it sends and says."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets = {PI: SECRET, OTHER: "6f" * 32}
        self.sent: list[tuple[str, bytes]] = []
        self.said: list[str] = []
        self.is_connected = True
        self._now = 100.0
        monkeypatch.setattr("collector.serving.dispatcher.time.monotonic", lambda: self._now)
        self.dispatcher = Dispatcher(store, lambda: self.secrets, self._send, self.said.append)

    def _send(self, device_id: str, message: bytes) -> bool:
        if self.is_connected:
            self.sent.append((device_id, message))
        return self.is_connected

    def tick(self, after: float = LOOK_SECONDS) -> list[tuple[str, OrderList]]:
        """Let time pass; returns what is sent, opened with the device's secret."""
        self._now += after
        self.sent.clear()
        self.dispatcher.tick()
        return [(name, open_orders(data, name, self.secrets[name])) for name, data in self.sent]

    def hears(self, *states: State, on: str | None = None) -> None:
        for each in states:
            self.dispatcher.take(on or each.device_id, encode_message(each))


@pytest.fixture
def bench(store: Store, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(store, monkeypatch)


def test_a_list_is_published_once_per_revision_and_again_after_each_connection(
    store: Store, bench: Bench
) -> None:
    ordered = order()
    assert bench.tick() == []
    add(store, {PI: ordered}, BY, "plan.toml")
    ((device, listed),) = bench.tick()
    assert (device, listed.revision, listed.orders) == (PI, 1, (ordered,))
    assert bench.tick() == []
    bench.dispatcher.connected()
    assert [name for name, _ in bench.tick()] == [PI]
    add(store, {PI: order(), OTHER: order()}, BY, "plan.toml")
    assert [(name, listed.revision) for name, listed in bench.tick()] == [(OTHER, 1), (PI, 2)]


def test_what_cannot_be_sent_is_sent_when_there_is_a_connection(store: Store, bench: Bench) -> None:
    add(store, {PI: order()}, BY, "plan.toml")
    bench.is_connected = False
    assert bench.tick() == []
    bench.is_connected = True
    assert [name for name, _ in bench.tick()] == [PI]


def test_an_order_that_has_ended_is_taken_out_and_the_list_published(store: Store, bench: Bench) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    bench.tick()
    bench.hears(state(OrderProgress(id=ordered.id, phase="delivering")))
    assert bench.tick() == []
    bench.hears(state(OrderProgress(id=ordered.id, phase="done", measured=1)))
    ((_, listed),) = bench.tick()
    assert (listed.revision, listed.orders) == (2, ())


def test_a_device_that_joined_again_gets_its_list_under_its_new_secret(store: Store, bench: Bench) -> None:
    add(store, {PI: order()}, BY, "plan.toml")
    bench.tick()
    bench.secrets[PI] = "7a" * 32
    assert [listed.revision for _, listed in bench.tick()] == [1]


def test_a_device_that_was_removed_gets_nothing_and_is_not_heard(store: Store, bench: Bench) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    del bench.secrets[PI]
    bench.hears(state(OrderProgress(id=ordered.id, phase="done")))
    assert bench.tick() == []
    assert stored_orders(store)[0].phase is None
    assert list_states(store)[PI].state is None


def test_a_connected_device_that_missed_its_list_gets_it_again(store: Store, bench: Bench) -> None:
    add(store, {PI: order()}, BY, "plan.toml")
    bench.tick()
    bench.hears(state(revision=0))
    assert bench.tick() == []
    assert [name for name, _ in bench.tick(AGAIN_SECONDS + 1)] == [PI]
    bench.hears(state(revision=None))  # it measures, and takes no orders meanwhile
    assert bench.tick(AGAIN_SECONDS + 1) == []


def test_a_state_in_the_name_of_another_device_is_not_believed(store: Store, bench: Bench) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    bench.hears(state(OrderProgress(id=ordered.id, phase="done")), on=OTHER)
    bench.tick()
    assert stored_orders(store)[0].phase is None


def test_a_late_will_does_not_make_a_device_absent(store: Store, bench: Bench) -> None:
    bench.hears(state(), state(state="lost", session_id="0b" * 16))
    bench.tick()
    assert list_states(store)[PI].state == "connected"


def test_what_was_reported_while_the_database_was_locked_is_written_later(
    store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    bench.hears(state(OrderProgress(id=ordered.id, phase="fetching")))

    def locked(*_: object) -> None:
        raise StorageUnavailable("database 'x' is locked")

    with monkeypatch.context() as patch:
        patch.setattr(module, "note_states", locked)
        bench.tick()
        bench.tick()
    assert bench.said == ["orders are neither sent nor followed now: database 'x' is locked"]
    bench.tick()
    assert stored_orders(store)[0].phase == "fetching"


def test_a_list_that_cannot_be_sent_is_said_once_and_again_when_it_changes(
    store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, {PI: order(), OTHER: order()}, BY, "plan.toml")
    reasons = {PI: "too large", OTHER: "not valid"}

    def refusing(orders: OrderList, secret: str) -> bytes:
        if orders.device_id in reasons:
            raise Malformed(reasons[orders.device_id])
        return seal_orders(orders, secret)

    monkeypatch.setattr(module, "seal_orders", refusing)
    for _ in range(3):
        assert bench.tick() == []
    both = ["the orders of pi-4 cannot be sent: not valid", "the orders of pi-5 cannot be sent: too large"]
    assert bench.said == both
    reasons[PI] = "larger still"
    bench.tick()
    assert bench.said == [*both, "the orders of pi-5 cannot be sent: larger still"]
    bench.said.clear()
    del reasons[PI]
    assert [name for name, _ in bench.tick()] == [PI]
    reasons[PI] = "larger still"
    bench.dispatcher.connected()
    bench.tick()
    assert bench.said == ["the orders of pi-5 cannot be sent: larger still"]


def test_an_equal_state_is_not_written_again(
    store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hears(state())
    bench.tick()

    def unexpected(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "note_states", unexpected)
    bench.hears(state(answered=4, selected=10, temperature_celsius=61.0))
    bench.tick()
    assert bench.said == []
