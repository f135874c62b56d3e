"""What keeps a connection while the worker computes for minutes."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from agent.delivery import publisher as publishing
from agent.delivery import uplink
from agent.delivery.destination import ToBroker
from agent.delivery.publisher import SETTLE_SECONDS, Publisher
from agent.outbox.outbox import Outbox
from agent.progress import Progress
from agent.running.warm_up import LOADING, prepare
from agent.stop_signal import Stop
from agent.worker.protocol import Answered, Loaded, QuestionOutcome
from commandline.broker_address import parse_broker
from tests.agent.collector import FakeCollector
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

SECONDS = 90.0


def test_a_connection_outlives_minutes_without_a_word(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that send nothing, the broker ends the one that does not even `stay`."""
    monkeypatch.setattr(uplink, "KEEPALIVE_SECONDS", 3)
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


def test_a_connection_that_was_begun_is_opened_while_a_model_loads(broker: Mosquitto, outbox: Outbox) -> None:
    publisher = Publisher(parse_broker(broker.url), "pi-5", outbox)
    with FakeCollector(broker.port) as collector:
        publisher.step()
        until = time.monotonic() + SECONDS
        while "distilbench-agent-pi-5" not in broker.log.read_text() and time.monotonic() < until:
            publisher.stay()
            time.sleep(0.01)
        assert not publisher.was_connected, "nothing is sent yet but what opens the connection"
        publisher.step(wait_seconds=1.0)
        publisher.step(wait_seconds=1.0)
        collector.wait_for(lambda: any(state.state == "connected" for state in collector.states))
        assert publisher.problem is None
    publisher.close()


def test_a_broker_that_hangs_up_on_the_silent_hears_the_agent_at_once(outbox: Outbox) -> None:
    """As many brokers do after some seconds without a CONNECT, while loading takes minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        publisher = Publisher(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), "pi-5", outbox)
        publisher.step()
        connection, _ = server.accept()
        with connection:
            connection.setblocking(False)
            until = time.monotonic() + SECONDS
            packet = b""
            while not packet and time.monotonic() < until:
                publisher.stay()
                with suppress(BlockingIOError):
                    packet = connection.recv(4096)
        assert packet[:1] == b"\x10", "a CONNECT packet"
        publisher.close()


def test_a_model_is_loaded_while_the_connection_is_served() -> None:
    class Worker:
        def load(self, _bundle: object, _settings: object, meanwhile: Callable[[], None]) -> Loaded:
            meanwhile()
            return Loaded(load_ns=5)

        def ask(self, *_: object, **__: object) -> Answered:
            outcome = QuestionOutcome(question_id="q", asked_at_ns=0, error="none")
            return Answered(outcomes=(outcome,), rss_bytes=None, peak_rss_bytes=None, busy_ns=1)

    served: list[str] = []
    plan: Any = SimpleNamespace(bundle=None, settings=None, questions=("q",))
    worker: Any = Worker()
    prepare(worker, plan, 0, served.append, lambda: served.append("served"))
    assert served == [LOADING, "served", "the first question"]


def test_a_broker_that_is_not_there_is_not_waited_for(outbox: Outbox, stop: Stop) -> None:
    publisher = Publisher(parse_broker("mqtt://127.0.0.1:1"), "pi-5", outbox)
    begun = time.monotonic()
    publisher.settle(Progress("a" * 32, "MiniLM-L6 int8", 0, 100, (), None, stage="LoadGen asks"))
    assert time.monotonic() - begun < SETTLE_SECONDS
    assert publisher.problem is not None
    publisher.close()
