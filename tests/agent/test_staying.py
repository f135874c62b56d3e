"""What keeps a connection while the worker computes for minutes."""

import time

import pytest

from agent import courier, uplink
from agent.broker import parse_broker
from agent.courier import Courier
from agent.outbox import Outbox
from tests.agent.collector import FakeCollector
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

SECONDS = 30.0


def test_a_connection_outlives_minutes_without_a_word(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that send nothing, the broker ends the one that does not even `stay`."""
    monkeypatch.setattr(uplink, "KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr(courier, "STAY_SECONDS", 0.2)
    couriers = {name: Courier(parse_broker(broker.url), name, outbox) for name in ("stays", "silent")}
    with FakeCollector(broker.port) as collector:
        while not all(one.was_connected for one in couriers.values()):
            for one in couriers.values():
                one.step(wait_seconds=0.05)
        lost: list[str] = []
        until = time.monotonic() + SECONDS
        while "silent" not in lost and time.monotonic() < until:
            couriers["stays"].stay()
            time.sleep(0.05)
            lost = [state.device_id for state in collector.states if state.state == "lost"]
        assert lost == ["silent"]
    for one in couriers.values():
        one.close()
