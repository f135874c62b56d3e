"""F41: PostgreSQL is away while a collector serves, or its standby takes over."""

import signal
from collections.abc import Iterator

import pytest

from agent.outbox.outbox import Outbox
from tests.collector.running_collector import Collector, wait_until
from tests.faults.sending import answers, begin, finish, publisher_to, stored_ranges, until
from tests.mosquitto import Mosquitto
from tests.postgres import Postgres, running

pytestmark = [pytest.mark.broker, pytest.mark.postgres]

RUN = "f" * 32
OTHER_RUN = "e" * 32
AWAY = "nothing is acknowledged until it works again"
BACK = "the database can be written again"


@pytest.fixture
def server() -> Iterator[Postgres]:
    with running() as server:
        server.execute("CREATE DATABASE results")
        yield server


def test_f41_nothing_is_acknowledged_while_postgresql_is_away(
    broker: Mosquitto, server: Postgres, outbox: Outbox
) -> None:
    """It is killed, its connections are ended, and it is killed again. The collector still obeys signals."""
    database = server.url("results")
    place = answers(outbox, begin(outbox, RUN), 100)
    with (
        Collector("--broker", broker.url, "--db", database, "--share", "lab") as serving,
        publisher_to(broker.url, outbox) as publisher,
    ):
        until(publisher, lambda: outbox.pending() == 0)
        server.kill()
        place = answers(outbox, place, 400)
        until(publisher, lambda: AWAY in serving.said[-1])
        assert outbox.pending() == 400
        server.start()
        until(publisher, lambda: outbox.pending() == 0)
        wait_until(lambda: serving.said[-1] == BACK, "the line after it")
        server.end_connections()
        finish(outbox, answers(outbox, place, 100))
        until(publisher, lambda: outbox.pending() == 0)
        assert stored_ranges(database) == {RUN: [(0, 601)]}
        server.kill()
        begin(outbox, OTHER_RUN)
        until(publisher, lambda: AWAY in serving.said[-1])
        assert serving.end(signal.SIGTERM) == 0
    assert outbox.pending() == 1


def test_f41_a_standby_that_was_promoted_is_found(
    broker: Mosquitto, server: Postgres, outbox: Outbox
) -> None:
    with server.standby() as standby:
        database = server.url("results", standby)
        place = answers(outbox, begin(outbox, RUN), 100)
        with (
            Collector("--broker", broker.url, "--db", database) as serving,
            publisher_to(broker.url, outbox) as publisher,
        ):
            until(publisher, lambda: outbox.pending() == 0)
            server.kill()
            place = answers(outbox, place, 100)
            until(publisher, lambda: any(AWAY in line for line in serving.said))
            assert outbox.pending() == 100
            standby.promote()
            finish(outbox, place)
            until(publisher, lambda: outbox.pending() == 0)
            assert serving.end(signal.SIGTERM) == 0
        assert stored_ranges(database) == {RUN: [(0, 201)]}
