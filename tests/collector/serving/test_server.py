import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox
from collector.broker.credentials import provision, write_secret
from collector.broker.embedded import embedded_broker
from collector.store.opening import open_store, open_store_to_read
from commandline.broker_address import BrokerAddress, parse_broker
from contract.records import Record
from tests.collector.command import collector
from tests.collector.factory import answer, batch, finished, run_records, started
from tests.collector.running_collector import Collector, connected_device, wait_until
from tests.faults.certificates import Authority
from tests.faults.sending import DEVICE, begin, finish, stored_ranges, until
from tests.mosquitto import Mosquitto

RUN = "0" * 31 + "1"


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.broker)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerAddress]:
    if request.param == "embedded":
        with embedded_broker(None) as running:
            yield running.own
    else:
        with Mosquitto(tmp_path) as mosquitto:
            yield BrokerAddress("127.0.0.1", mosquitto.port)


def count(database: Path, table: str) -> int:
    with open_store_to_read(database) as store:
        return int(store.value(f"SELECT count(*) FROM {table}"))


def long_run(answers: int) -> list[Record]:
    return [started(), *(answer(n, f"q{n}") for n in range(1, answers + 1)), finished(answers + 1, answers)]


def test_with_its_own_broker_it_stores_answers_and_sends_receipts(database: Path) -> None:
    with Collector("--embedded-broker", "--db", database) as collector:
        ready = collector.said[0]
        assert ready.startswith("listening on mqtt://127.0.0.1:")
        assert ready.endswith(f", writing {database}")
        address = parse_broker(ready.split()[2].rstrip(","))
        with connected_device(address) as device:
            device.publish(batch(run_records(), RUN))
            wait_until(lambda: device.has_receipt_through(RUN, 6), "a receipt")
            device.publish_bytes(b"{", b"{")
            wait_until(lambda: count(database, "rejected"), "the rejected message")
        assert collector.end() == 0
        assert collector.said[-1] == "7 records stored, 0 known before, 2 messages rejected"
    assert count(database, "answers") == 4


def test_its_messages_are_json_if_asked(database: Path) -> None:
    with Collector("--embedded-broker", "--db", database, "--log-format", "json", "-v") as collector:
        address = parse_broker(json.loads(collector.said[0])["message"].split()[2].rstrip(","))
        with connected_device(address) as device:
            device.publish(batch(run_records(), RUN))
            wait_until(lambda: device.has_receipt_through(RUN, 6), "a receipt")
            device.publish_bytes(b"{")
            wait_until(lambda: count(database, "rejected"), "the rejected message")
        assert collector.end() == 0
    said = [(line["level"], line["message"]) for line in map(json.loads, collector.said)]
    assert ("debug", "7 records stored, 0 known before") in said
    assert [level for level, message in said if "was rejected" in message] == ["warning"]
    assert said[-1] == ("info", "7 records stored, 0 known before, 1 message rejected")


def test_when_it_is_quiet_it_makes_what_reports_read(database: Path) -> None:
    with Collector("--embedded-broker", "--db", database) as collector:
        with connected_device(parse_broker(collector.said[0].split()[2].rstrip(","))) as device:
            device.publish(batch(run_records(), RUN))
        wait_until(lambda: count(database, "run_columns") and count(database, "findings"), "the upkeep")
        assert collector.end() == 0
        assert len(collector.said) == 2  # ready, and the counts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(database: Path, broker: BrokerAddress, number: signal.Signals) -> None:
    with Collector("--broker", str(broker), "--db", database) as collector:
        assert collector.end(number) == 0
    assert not Path(f"{database}-wal").exists()


def test_what_is_published_while_it_is_away_is_stored_when_it_is_back(
    database: Path, broker: BrokerAddress
) -> None:
    with Collector("--broker", str(broker), "--db", database) as collector:
        collector.end()
    with connected_device(broker) as device:
        device.publish(batch(run_records(), RUN))
        with Collector("--broker", str(broker), "--db", database):
            wait_until(lambda: device.has_receipt_through(RUN, 6), "the receipt")
    assert count(database, "answers") == 4


def test_killed_again_and_again_it_loses_nothing_and_counts_nothing_twice(
    database: Path, broker: BrokerAddress
) -> None:
    records = long_run(600)
    batches = [batch(records[at : at + 7], RUN) for at in range(0, len(records), 7)]
    open_store(database, create=True).close()
    with connected_device(broker) as device:
        for part in range(5):
            with Collector("--broker", str(broker), "--db", database) as collector:
                before = len(device.receipts)
                device.publish(*batches[part::5])
                wait_until(lambda before=before: len(device.receipts) > before, "some receipt")  # type: ignore[misc]
                collector.end(signal.SIGKILL)
        with Collector("--broker", str(broker), "--db", database):
            wait_until(lambda: device.has_receipt_through(RUN, len(records) - 1), "the last receipt")
    with open_store_to_read(database) as store:
        assert store.value("SELECT count(*) FROM answers") == 600
        assert store.value("SELECT count(DISTINCT question_id) FROM answers") == 600
        assert list(store.tuples("SELECT first_seq, last_seq FROM ranges")) == [(0, 601)]
        assert store.value("PRAGMA integrity_check") == "ok"


@pytest.mark.proof  # SQLite waits ten seconds for the other writer
def test_it_waits_for_a_database_that_cannot_be_written(database: Path, broker: BrokerAddress) -> None:
    with (
        Collector("--broker", str(broker), "--db", database) as collector,
        connected_device(broker) as device,
    ):
        conn = sqlite3.connect(database, isolation_level=None)
        conn.execute("BEGIN IMMEDIATE")
        device.publish(batch(run_records(), RUN))
        wait_until(lambda: len(collector.said) > 1, "a complaint")
        assert "database is locked; nothing is acknowledged" in collector.said[1]
        assert device.receipts == []
        conn.execute("ROLLBACK")
        wait_until(lambda: device.has_receipt_through(RUN, 6), "the receipt")
        conn.close()


def test_f11_it_stops_at_tables_that_are_not_its_own(database: Path, broker: BrokerAddress) -> None:
    with (
        Collector("--broker", str(broker), "--db", database) as collector,
        connected_device(broker) as device,
    ):
        conn = sqlite3.connect(database, isolation_level=None)
        conn.execute("ALTER TABLE samples RENAME TO elsewhere")
        conn.close()
        device.publish(batch(run_records(), RUN))
        assert collector.ended() == 1
        assert "is damaged, or was updated by a later distilbench: no such table" in collector.said[1]
        assert device.receipts == []


def test_a_second_server_of_one_database_is_one_sentence(database: Path, broker: BrokerAddress) -> None:
    with (
        Collector("--broker", str(broker), "--db", database) as first,
        Collector("--broker", str(broker), "--db", database) as second,
    ):
        assert second.ended() == 1
        (line,) = second.said
        assert line.startswith("collector: another collector serves the database")
        assert first.process.poll() is None


@pytest.mark.parametrize("argument", ["mqtt://127.0.0.1:1", "mqtt://no-such-host.invalid"])
def test_a_broker_that_is_not_there_is_one_sentence(database: Path, argument: str) -> None:
    with Collector("--broker", argument, "--db", database) as collector:
        assert collector.ended() == 1
        (line,) = collector.said
        assert line.startswith(f"collector: no broker answers at {argument}")


def test_a_port_that_is_taken_is_one_sentence(database: Path, broker: BrokerAddress) -> None:
    with Collector("--embedded-broker", "--port", str(broker.port), "--db", database) as collector:
        assert collector.ended() == 1
        (line,) = collector.said
        assert f"cannot use port {broker.port}" in line


def test_an_embedded_broker_on_a_network_says_what_it_cannot_do(tmp_path: Path, database: Path) -> None:
    credentials = tmp_path / "credentials"
    provision(credentials, "pi-5", hashed=False, replace=False)
    where = ("--embedded-broker", "--listen", "0.0.0.0", "--credentials", credentials, "--db", database)
    with Collector(*where) as collector:
        wait_until(lambda: len(collector.said) > 1, "the ready line")
        assert "others can read everything, passwords included" in collector.said[0]
        assert collector.said[1].startswith("listening on mqtt://0.0.0.0:")


def test_an_embedded_broker_with_a_certificate_speaks_tls(
    tmp_path: Path, database: Path, outbox: Outbox
) -> None:
    authority = Authority(tmp_path)
    server = authority.sign("server")
    credentials, secret = tmp_path / "credentials", tmp_path / "secret"
    write_secret(secret, provision(credentials, DEVICE, hashed=False, replace=False))
    where = ("--embedded-broker", "--listen", "127.0.0.1", "--credentials", credentials, "--db", database)
    finish(outbox, begin(outbox, RUN))
    with Collector(*where, "--cert-file", server.certificate, "--key-file", server.key) as collector:
        assert collector.said[0].startswith("listening on mqtts://127.0.0.1:")
        url = collector.said[0].split()[2].rstrip(",").replace("//", f"//{DEVICE}@")
        broker = parse_broker(url, secret, authority.root.certificate)
        with closing(Publisher(broker, DEVICE, outbox)) as publisher:
            until(publisher, lambda: not outbox.pending())
    assert stored_ranges(database) == {RUN: [(0, 1)]}


def test_a_certificate_of_another_key_is_refused(tmp_path: Path, database: Path) -> None:
    authority = Authority(tmp_path)
    server, other = authority.sign("server"), authority.sign("other")
    refused = collector(
        *("serve", "--embedded-broker", "--cert-file", server.certificate, "--key-file", other.key),
        *("--db", database),
    )
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "cannot use the certificate" in refused.stderr
