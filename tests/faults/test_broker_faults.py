"""F1 to F4 and F15: what happens to the broker, the network, and what the broker will not take."""

from pathlib import Path

import pytest

import agent.delivery.uplink
from agent.outbox.outbox import Outbox
from agent.outbox.summary import RefusedRecords
from agent.stop_signal import Stop
from tests.collector.factory import answer
from tests.collector.running_collector import Collector
from tests.faults.proxy import Censor, Stalling
from tests.faults.sending import (
    SECONDS,
    answers,
    append,
    begin,
    finish,
    publisher_to,
    stored_ranges,
    until,
)
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

RUN = "a" * 32


@pytest.mark.parametrize("end", [Mosquitto.stop, Mosquitto.kill], ids=["F1", "F2"])
def test_f1_f2_a_broker_that_ends_amid_results(
    broker: Mosquitto, database: Path, outbox: Outbox, stop: Stop, end: object
) -> None:
    place = begin(outbox, RUN)
    with Collector("--broker", broker.url, "--db", database), publisher_to(broker.url, outbox) as publisher:
        for _ in range(3):
            place = answers(outbox, place, 2000)
            until(publisher, lambda: outbox.pending() < 1500)
            assert callable(end)
            end(broker)
            broker.start()
        finish(outbox, place)
        publisher.drain(SECONDS, stop)
        assert outbox.pending() == 0
    assert stored_ranges(database) == {RUN: [(0, 6001)]}


def test_f3_a_collector_away_while_the_brokers_queue_overflows(
    tmp_path: Path, database: Path, outbox: Outbox, stop: Stop
) -> None:
    lines = ["allow_anonymous true", "max_queued_messages 10"]
    with Mosquitto(tmp_path, lines=lines) as small, publisher_to(small.url, outbox) as publisher:
        with Collector("--broker", small.url, "--db", database) as collector:
            collector.end()
        place = answers(outbox, begin(outbox, RUN), 5000)
        for _ in range(40):
            publisher.step(wait_seconds=0.02)
        assert outbox.pending() == 5001
        finish(outbox, place)
        with Collector("--broker", small.url, "--db", database):
            publisher.drain(SECONDS, stop)
        assert outbox.pending() == 0
    assert stored_ranges(database) == {RUN: [(0, 5001)]}


def test_f4_a_half_open_connection_is_noticed_and_left(
    broker: Mosquitto, database: Path, outbox: Outbox, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.delivery.uplink, "ACKNOWLEDGE_SECONDS", 1.0)
    proxy = Stalling(broker.port)
    try:
        with (
            Collector("--broker", broker.url, "--db", database),
            publisher_to(f"mqtt://127.0.0.1:{proxy.port}", outbox) as publisher,
        ):
            place = begin(outbox, RUN)
            publisher.drain(SECONDS, stop)
            proxy.stall()
            place = answers(outbox, place, 100)
            until(publisher, lambda: publisher.problem is not None)
            assert "does not acknowledge" in str(publisher.problem)
            proxy.resume()
            finish(outbox, place)
            publisher.drain(SECONDS, stop)
            assert outbox.pending() == 0
    finally:
        proxy.close()
    assert stored_ranges(database) == {RUN: [(0, 101)]}


def test_f15_a_record_above_the_brokers_limit_is_set_aside_and_the_others_flow(
    tmp_path: Path, database: Path, outbox: Outbox, stop: Stop
) -> None:
    lines = ["allow_anonymous true", "max_packet_size 6000"]
    with (
        Mosquitto(tmp_path, lines=lines) as strict,
        Collector("--broker", strict.url, "--db", database),
        publisher_to(strict.url, outbox) as publisher,
    ):
        place = append(outbox, begin(outbox, RUN), [answer(1, "q1", "x" * 20_000)])
        finish(outbox, answers(outbox, place, 100))
        publisher.drain(SECONDS, stop)
    assert stored_ranges(database) == {RUN: [(0, 0), (2, 102)]}
    summary = outbox.summary()
    assert (summary.pending, summary.dropped) == (0, 1)
    assert "at most 5744 bytes" in summary.refused[0].reason
    with Mosquitto(tmp_path) as wide, Collector("--broker", wide.url, "--db", database):
        assert outbox.release() == 1
        with publisher_to(wide.url, outbox) as publisher:
            publisher.drain(SECONDS, stop)
    assert stored_ranges(database) == {RUN: [(0, 102)]}
    assert outbox.summary().dropped == 0


def test_f15_a_broker_that_breaks_over_one_record_without_a_word(
    broker: Mosquitto, database: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MQTT 3.1.1 brokers and proxies with a limit do."""
    monkeypatch.setattr("agent.delivery.publisher.MAX_RETRY_SECONDS", 0.05)
    monkeypatch.setattr("agent.delivery.publisher.FIRST_RETRY_SECONDS", 0.05)
    proxy = Censor(broker.port, b"forbidden")
    try:
        with (
            Collector("--broker", broker.url, "--db", database),
            publisher_to(f"mqtt://127.0.0.1:{proxy.port}", outbox) as publisher,
        ):
            place = answers(outbox, begin(outbox, RUN), 300)
            place = append(outbox, place, [answer(301, "q", "forbidden")])
            finish(outbox, answers(outbox, place, 300))
            until(publisher, lambda: outbox.pending() == 0)
            (refused,) = outbox.summary().refused
            assert refused == RefusedRecords("the connection broke whenever the record was sent", 1)
    finally:
        proxy.close()
    assert stored_ranges(database) == {RUN: [(0, 300), (302, 602)]}
