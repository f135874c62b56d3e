"""What `collector serve` prints when connections break, and when it guesses that its session was taken."""

import itertools
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from collector.broker.client import Event, Failed, Lost, Ready, Unreached
from collector.broker.subscriber import Subscriber
from collector.errors import BrokerUnavailable
from collector.serving import server as module
from collector.serving.server import Server
from collector.store.database import Store
from commandline.broker_address import BrokerAddress
from tests.collector.running_collector import PATIENCE_SECONDS
from tests.mosquitto import Mosquitto

LOST, REFUSED = Lost("the connection was lost"), Lost("the broker refuses")
GUESS = "the connection keeps breaking: does a copy of the database's folder run elsewhere?"


def said_about(
    store: Store, monkeypatch: pytest.MonkeyPatch, *events: Event, group: str | None = None
) -> list[str]:
    """What a server prints if these events arrive and then its client fails."""

    class Played:
        """A subscriber without a broker."""

        def __init__(
            self, _address: BrokerAddress, _name: str, queue: "SimpleQueue[Event]", *_: Any, **__: Any
        ):
            self._queue = queue
            self.send_orders = None

        def start(self) -> None:
            for event in (*events, Failed("the end")):
                self._queue.put(event)

        def stop(self) -> None:
            pass

    monkeypatch.setattr(module, "Subscriber", Played)
    said: list[str] = []
    with pytest.raises(BrokerUnavailable) as ended:
        Server(store, BrokerAddress("127.0.0.1", 1), said.append, group).run("ready")
    return [*said, str(ended.value)]


def test_short_connections_that_open_at_once_suggest_a_copy(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_about(store, monkeypatch, Ready(), *(LOST, Ready()) * 4)
    assert said.count(GUESS) == 1
    assert said[:3] == ["ready", "the connection was lost; trying again", "connected again"]


@pytest.mark.parametrize(("seconds", "guessed"), [(1.0, True), (module.FAILING_SECONDS + 1, False)])
def test_connections_that_open_only_after_a_while_suggest_no_copy(
    store: Store, monkeypatch: pytest.MonkeyPatch, seconds: float, guessed: bool
) -> None:
    """A cluster that loses one node after another accepts clients again when it has elected a leader."""
    clock = itertools.count(step=seconds)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    assert (GUESS in said_about(store, monkeypatch, Ready(), *(LOST, Ready()) * 6)) == guessed


@pytest.mark.parametrize("failure", [Unreached(), LOST, REFUSED], ids=["unreached", "lost", "refused"])
def test_a_broker_that_fails_suggests_no_copy(
    store: Store, monkeypatch: pytest.MonkeyPatch, failure: Event
) -> None:
    assert GUESS not in said_about(store, monkeypatch, Ready(), *(LOST, failure, Ready()) * 6)


def test_a_group_keeps_no_session_that_could_be_taken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GUESS not in said_about(store, monkeypatch, Ready(), *(LOST, Ready()) * 6, group="lab")
    assert not store.session_file.exists()


DENIED = [ReasonCode(PacketTypes.SUBACK, identifier=0x80)]


@pytest.mark.broker
def test_reading_that_is_denied_later_is_tried_again(broker: Mosquitto) -> None:
    """NATS denies it while it elects a leader."""
    events: SimpleQueue[Any] = SimpleQueue()
    subscriber = Subscriber(BrokerAddress("127.0.0.1", broker.port), "name", events)
    subscriber.start()
    assert isinstance(events.get(timeout=PATIENCE_SECONDS), Ready)
    subscriber._on_subscribe(subscriber._client, None, 1, DENIED, None)
    found = [events.get(timeout=PATIENCE_SECONDS) for _ in range(3)]
    subscriber.stop()
    assert [type(event) for event in found] == [Lost, Lost, Ready]
    assert "denies reading 'distilbench/1/+/results'" in found[0].reason


def test_reading_that_was_never_allowed_is_the_end() -> None:
    events: SimpleQueue[Any] = SimpleQueue()
    subscriber = Subscriber(BrokerAddress("127.0.0.1", 1), "name", events)
    subscriber._on_subscribe(subscriber._client, None, 1, DENIED, None)
    assert isinstance(events.get_nowait(), Failed)


def test_a_connection_that_never_was_is_not_tried_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said_about(store, monkeypatch, LOST) == ["the connection was lost"]
