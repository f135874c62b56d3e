"""`collector serve` gives devices their orders: at once, later, again, and only once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.processes.light_device import LightDevice
from collector.hub.register import Register
from collector.orders.order_rows import StoredOrder, add, cancel, find_orders, list_states, stored_orders
from collector.store.opening import open_store, open_store_to_read
from commandline.broker_address import BrokerAddress
from contract.orders.order import Order
from contract.orders.sealed import seal_orders
from contract.topics import topic
from tests.collector.orders.ordering import BY, OTHER, PI, order
from tests.collector.running_collector import Collector, wait_until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker


class Lab(NamedTuple):
    """A broker, a register of devices, and the database of a collector."""

    broker: Mosquitto
    register: Path
    database: Path

    def collector(self) -> Collector:
        return Collector("--broker", self.broker.url, "--db", self.database, "--register", self.register)

    def device(self, name: str = PI) -> LightDevice:
        secret = Register(self.register).give_order_secret(name)
        return LightDevice(BrokerAddress("127.0.0.1", self.broker.port), name, secret)

    def orders(self, **devices: Order) -> None:
        with open_store(self.database, create=True) as store:
            add(store, {name.replace("_", "-"): each for name, each in devices.items()}, BY, "plan.toml")

    def cancel(self, order_id: str) -> None:
        with open_store(self.database) as store:
            cancel(store, find_orders(store, [order_id]), BY, {PI})

    def stored(self) -> list[StoredOrder]:
        with open_store_to_read(self.database) as store:
            return stored_orders(store, every=True)

    def phases(self) -> list[str | None]:
        return [each.phase for each in self.stored()]

    def state(self, device: str = PI) -> str | None:
        with open_store_to_read(self.database) as store:
            found = list_states(store).get(device)
            return None if found is None else found.state


@contextmanager
def running(folder: Path) -> Iterator[Lab]:
    with Mosquitto(folder) as broker:
        lab = Lab(broker, folder / "register.db", folder / "results.db")
        for name in (PI, OTHER):
            Register(lab.register).give_order_secret(name)
        yield lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with running(tmp_path) as found:
        yield found


def test_an_order_is_sent_at_once_followed_to_its_end_and_taken_out_of_the_list(lab: Lab) -> None:
    ordered = order()
    with lab.collector(), lab.device() as device:
        lab.orders(pi_5=ordered)
        device.wait_for(lambda: device.orders == (ordered,), "the order")
        device.report(ordered, "measuring", bundle="minilm int8", round=1, rounds=5)
        wait_until(lambda: lab.phases() == ["measuring"], "the report")
        run = device.measure(ordered, 3)
        device.wait_for(lambda: device.has_receipt(run, 4), "the receipt")
        device.report(ordered, "done", measured=1)
        device.wait_for(lambda: device.lists[-1].orders == (), "a list without it")
        assert [each.revision for each in device.lists] == [1, 2]
        assert device.refused == []
    (kept,) = lab.stored()
    assert (kept.phase, kept.measured, kept.bundle) == ("done", 1, None)
    with open_store_to_read(lab.database) as store:
        assert store.value("SELECT order_id FROM runs") == ordered.id


def test_a_device_that_was_away_gets_the_order_when_it_comes_back(lab: Lab) -> None:
    ordered = order()
    with lab.collector():
        with lab.device():
            wait_until(lambda: lab.state() == "connected", "the device")
        lab.orders(pi_5=ordered)
        with lab.device() as device:
            device.wait_for(lambda: device.orders == (ordered,), "the order")


def test_orders_that_were_given_while_no_collector_ran_are_sent_when_one_starts(lab: Lab) -> None:
    first, second = order(), order()
    with lab.collector() as collector, lab.device() as device:
        lab.orders(pi_5=first)
        device.wait_for(lambda: device.orders == (first,), "the first order")
        collector.end(signal.SIGKILL)
        lab.orders(pi_5=second)
        lab.cancel(first.id)
        with lab.collector():
            device.wait_for(lambda: len(device.orders) == 2, "the second order")
            assert [each.cancelled for each in device.orders] == [True, False]
            assert device.revision == 3


def test_a_broker_that_lost_its_retained_messages_gets_them_again(lab: Lab) -> None:
    ordered = order()
    with lab.collector() as collector:
        lab.orders(pi_5=ordered)
        with lab.device() as device:
            device.wait_for(lambda: device.orders == (ordered,), "the order")
        lab.broker.kill()
        lab.broker.start()
        wait_until(lambda: collector.said[-1] == "connected again", "the collector")
        with lab.device() as device:
            device.wait_for(lambda: device.orders == (ordered,), "the order again")
            assert device.revision == 1


def test_the_wills_and_the_words_of_strangers_change_nothing(lab: Lab) -> None:
    ordered = order()
    with lab.collector() as collector, lab.device() as device, lab.device(OTHER) as other:
        lab.orders(pi_5=ordered)
        device.wait_for(lambda: device.orders == (ordered,), "the order")
        other.report(ordered, "done", measured=1)  # an order that it was not given
        stranger = LightDevice(BrokerAddress("127.0.0.1", lab.broker.port), "nobody", "0" * 64)
        with stranger:
            stranger.report(ordered, "done", measured=1)
            for payload in (b"", b"{", b"\xff" * 1000, b"[" * 100_000, b'{"type":"state"}'):
                stranger.client.publish(topic(PI, "state"), payload, qos=1).wait_for_publish(60)
            device.report(ordered, "fetching")
            wait_until(lambda: lab.phases() == ["fetching"], "the device's own report")
        assert lab.state("nobody") is None
        assert collector.process.poll() is None


def test_orders_that_the_collector_did_not_seal_are_not_accepted(lab: Lab) -> None:
    """Without rights at the broker, everybody can write to the topic; nobody can order anything by that."""
    ordered, forged = order(), order()
    with lab.collector(), lab.device() as device, lab.device(OTHER) as other:
        lab.orders(pi_5=ordered)
        device.wait_for(lambda: device.orders == (ordered,), "the order")
        genuine = device.lists[-1]
        own_secret = Register(lab.register).order_secrets()[OTHER]
        for message in (
            seal_orders(type(genuine)(device_id=PI, revision=99, orders=(forged,)), own_secret),
            seal_orders(type(genuine)(device_id=OTHER, revision=99, orders=(forged,)), own_secret),
            b"{}",
        ):
            other.client.publish(topic(PI, "orders"), message, qos=1, retain=True).wait_for_publish(60)
        device.wait_for(lambda: len(device.refused) == 3, "three refusals")
        assert device.orders == (ordered,)
    with lab.collector(), lab.device() as device:
        device.wait_for(lambda: device.orders == (ordered,), "the order, which replaces the forged one")
