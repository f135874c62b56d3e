"""F1 with a cluster: one name has the addresses of all nodes, and clients go to another if theirs ends."""

from pathlib import Path

import pytest

from agent.outbox.outbox import Outbox
from tests.collector.running_collector import Collector, wait_until
from tests.faults.sending import answers, begin, finish, publisher_to, stored_ranges, until
from tests.mosquitto import Mosquitto
from tests.one_name import NAME, one_name

pytestmark = pytest.mark.broker
RUN = "c" * 32


def test_f1_agent_and_collector_go_to_the_address_that_is_left(
    broker: Mosquitto, database: Path, tmp_path: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two brokers know nothing of each other: results arrive only if both clients find the second."""
    (tmp_path / "second").mkdir()
    second = Mosquitto(tmp_path / "second")
    places = [("127.0.0.1", broker.port), ("127.0.0.1", second.port)]
    one_name(monkeypatch, places)
    url = f"mqtt://{NAME}"
    place = answers(outbox, begin(outbox, RUN), 100)
    with Collector("--broker", url, "--db", database, places=places) as collector:
        with publisher_to(url, outbox) as publisher:
            until(publisher, lambda: outbox.pending() == 0)
            with second:
                broker.kill()
                wait_until(lambda: collector.said[-1] == "connected again", "the collector at the second")
                finish(outbox, answers(outbox, place, 100))
                until(publisher, lambda: outbox.pending() == 0)
        assert "was lost" in collector.said[1] and collector.said[2] == "connected again", collector.said
    assert stored_ranges(database) == {RUN: [(0, 201)]}
