"""What keeps a connection while the worker computes for minutes."""

import time

import pytest

from agent.delivery import publisher as publishing
from agent.delivery import uplink
from agent.delivery.destination import ToBroker
from agent.delivery.publisher import SETTLE_SECONDS, Publisher
from agent.outbox.outbox import Outbox
from agent.progress import Progress
from agent.stop_signal import Stop
from commandline.broker_address import parse_broker
from tests.agent.collector import FakeCollector
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

SECONDS = 30.0


def test_a_connection_outlives_minutes_without_a_word(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that send nothing, the broker ends the one that does not even `stay`."""
    monkeypatch.setattr(uplink, "KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr(publishing, "STAY_SECONDS", 0.2)
    publishers = {name: Publisher(parse_broker(broker.url), name, outbox) for name in ("stays", "silent")}
    with FakeCollector(broker.port) as collector:
        while not all(one.was_connected for one in publishers.values()):
            for one in publishers.values():
                one.step(wait_seconds=0.05)
        lost: list[str] = []
        until = time.monotonic() + SECONDS
        while "silent" not in lost and time.monotonic() < until:
            publishers["stays"].stay()
            time.sleep(0.05)
            lost = [state.device_id for state in collector.states if state.state == "lost"]
        assert lost == ["silent"]
    for one in publishers.values():
        one.close()


def test_before_minutes_without_a_word_the_broker_knows_what_is_measured(
    broker: Mosquitto, outbox: Outbox, stop: Stop
) -> None:
    """A run that has no pause is the first that a fresh process does: there was no time to connect before."""
    publisher = Publisher(parse_broker(broker.url), "pi-5", outbox)
    delivery = ToBroker(publisher, stop, 1.0, lambda _: None)
    progress = Progress("a" * 32, "MiniLM-L6 int8", 0, 100, (), None, stage="rate 1: 2.00 a second")
    with FakeCollector(broker.port) as collector:
        delivery.between(progress)
        collector.wait_for(lambda: any(state.run_id == "a" * 32 for state in collector.states))
        assert collector.states[-1].state == "connected"
    publisher.close()


def test_a_broker_that_is_not_there_is_not_waited_for(outbox: Outbox, stop: Stop) -> None:
    publisher = Publisher(parse_broker("mqtt://127.0.0.1:1"), "pi-5", outbox)
    begun = time.monotonic()
    publisher.settle(Progress("a" * 32, "MiniLM-L6 int8", 0, 100, (), None, stage="LoadGen asks"))
    assert time.monotonic() - begun < SETTLE_SECONDS
    assert publisher.problem is not None
    publisher.close()
