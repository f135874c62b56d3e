import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.delivery.destination import LiveBroker, delivering
from agent.outbox.state_folder import OpenedState, opened_state
from agent.progress import Progress
from commandline.broker_address import parse_broker
from tests.agent.collector import FakeCollector
from tests.agent.records import RUN_A, begin, fill
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

SECONDS = 60.0


@pytest.fixture
def state(tmp_path: Path) -> Iterator[OpenedState]:
    with opened_state(tmp_path / "state", "device", print) as opened:
        yield opened


def progress(paused: str | None = None) -> Progress:
    return Progress(RUN_A, "bundle", 5, 10, (), None, paused)


@pytest.mark.parametrize("live", [True, False])
def test_results_go_out_live_or_after(broker: Mosquitto, state: OpenedState, live: bool) -> None:
    fill(state.outbox, begin(state.outbox), 5)
    where = LiveBroker(parse_broker(broker.url), SECONDS, live)
    with FakeCollector(broker.port) as collector, delivering(where, state, print) as delivery:
        until = time.monotonic() + (SECONDS if live else 1.0)
        while collector.received < 5 and time.monotonic() < until:
            delivery.between(progress())
            state.stop.wait(0.005)
        assert (collector.received == 5) == live
        delivery.run_ended(RUN_A)
        delivery.finish()
        assert state.outbox.pending() == 0


def test_a_run_that_waits_for_room_delivers_even_if_it_is_to_publish_after(
    broker: Mosquitto, state: OpenedState
) -> None:
    fill(state.outbox, begin(state.outbox), 5)
    where = LiveBroker(parse_broker(broker.url), SECONDS, live=False)
    with FakeCollector(broker.port) as collector, delivering(where, state, print) as delivery:
        until = time.monotonic() + SECONDS
        while state.outbox.pending() and time.monotonic() < until:
            delivery.between(progress("the outbox is full"))
            state.stop.wait(0.005)
        assert collector.received == 5
        assert collector.states[-1].state == "degraded"
        assert collector.states[-1].reason == "the outbox is full"
