"""F38: one client of the broker cannot stop the others, also not through restarts."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.delivery.publisher import Publisher
from agent.doctor.broker import probe
from agent.outbox.outbox import Outbox
from agent.stop_signal import Stop
from collector.broker.embedded import embedded_broker
from collector.store.opening import open_store, open_store_to_read
from collector.store.sqlite.sqlite_store import SqliteStore
from commandline.broker_address import BrokerAddress, parse_broker
from contract.messages import Batch, State, encode_message
from contract.records import Sample
from contract.topics import topic
from tests.collector.command import collector
from tests.collector.factory import batch, run_records
from tests.collector.running_collector import Collector, connected_device, wait_until
from tests.faults.proxy import Telling
from tests.faults.sending import DEVICE, SECONDS, begin, finish, publisher_to, stored_ranges, until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

RUN = "a" * 32
LATER = "b" * 32
STORE = ("allow_anonymous true", "persistence true")


def odd_properties() -> list[Properties]:
    """Properties that MQTT allows and brokers pass on, and at which paho 2.2 hangs up."""
    user, content, reply = (Properties(PacketTypes.PUBLISH) for _ in range(3))  # type: ignore[no-untyped-call]
    user.UserProperty = ("k", "\ufeff")
    content.ContentType = "a\ufeff"
    reply.ResponseTopic = "\ufeff"
    return [user, content, reply]


@contextmanager
def client(port: int, name: str = "") -> Iterator[Client]:
    """A client of the broker, with any client id."""
    made = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv5)
    made.connect("127.0.0.1", port)
    made.loop_start()
    try:
        wait_until(made.is_connected, "the client's connection")
        yield made
    finally:
        made.disconnect()
        made.loop_stop()


def send_odd(port: int, name: str, payload: bytes = b"{}", *, retain: bool = False) -> None:
    with client(port) as sender:
        for properties in odd_properties():
            info = sender.publish(name, payload, qos=1, retain=retain, properties=properties)
            info.wait_for_publish(SECONDS)


def listed(database: Path) -> int:
    with open_store_to_read(database) as store:
        return int(store.value("SELECT ifnull(sum(times), 0) FROM rejected"))


def test_f38_odd_properties_stop_nobody_through_restarts(database: Path, tmp_path: Path) -> None:
    """Retained and in the collector's persistent session, over restarts of collector and broker."""
    with Mosquitto(tmp_path, lines=STORE) as broker, connected_device(parse_broker(broker.url)) as device:
        with Collector("--broker", broker.url, "--db", database) as running:
            send_odd(broker.port, topic("dev-b", "results"), retain=True)
            device.publish(batch(run_records(), RUN))
            wait_until(lambda: device.has_receipt_through(RUN, 6), "a receipt after odd properties")
            assert listed(database) == 3
            assert running.end() == 0
        send_odd(broker.port, topic("dev-b", "results"))
        broker.stop()
        broker.start()
        with (
            Collector("--broker", broker.url, "--db", database) as running,
            connected_device(parse_broker(broker.url)) as again,
        ):
            again.publish(batch(run_records(), LATER))
            wait_until(lambda: again.has_receipt_through(LATER, 6), "a receipt after the restarts")
            wait_until(lambda: listed(database) >= 6, "what was sent while it was away")
            assert running.end() == 0
            assert [line for line in running.said if "lost" in line] == []


def test_f38_odd_properties_stop_nobody_at_the_embedded_broker(database: Path) -> None:
    with (
        embedded_broker(None) as embedded,
        Collector("--broker", str(embedded.own), "--db", database),
        connected_device(embedded.own) as device,
    ):
        send_odd(embedded.own.port, topic("dev-b", "results"))
        device.publish(batch(run_records(), RUN))
        wait_until(lambda: device.has_receipt_through(RUN, 6), "a receipt after odd properties")


def test_f38_odd_properties_stop_neither_watch_nor_doctor(broker: Mosquitto, database: Path) -> None:
    open_store(database, create=True).close()
    state = State(device_id="dev-b", session_id=RUN, state="connected", agent_version="1")
    send_odd(broker.port, topic("dev-b", "state"), encode_message(state), retain=True)
    send_odd(broker.port, topic("dev-c", "results"), retain=True)
    for channel in ("results", "state"):  # names that are no device's, and that a terminal may act on
        send_odd(broker.port, f"distilbench/1/\ufeff\u202e/{channel}", retain=True)
    shown = collector("watch", "--once", "--broker", broker.url, "--db", database)
    assert (shown.returncode, "dev-b" in shown.stdout) == (0, True), shown.stderr
    assert shown.stdout.replace("\n", "").isprintable()
    examined = collector("doctor", "--broker", broker.url, "--db", database)
    assert "accepts the collector" in examined.stdout, examined.stdout
    assert "ended the connection" not in examined.stdout


def test_f38_odd_properties_stop_no_agent(
    broker: Mosquitto, database: Path, outbox: Outbox, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker without access rights lets anyone write to a device's receipts."""
    monkeypatch.setattr("agent.doctor.broker.RECEIPT_SECONDS", 60.0)
    finish(outbox, begin(outbox, RUN))
    send_odd(broker.port, topic(DEVICE, "receipts"), retain=True)
    with Collector("--broker", broker.url, "--db", database):
        found = list(probe(parse_broker(broker.url), DEVICE))
        assert {finding.about: finding.level for finding in found}["collector"] == "ok"
        with publisher_to(broker.url, outbox) as publisher:
            publisher.drain(SECONDS, stop)
    assert outbox.pending() == 0


def test_f38_a_device_that_sends_sparse_runs_does_not_keep_others_waiting(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    """Every second record: each message once cost more than the one before, for minutes."""
    with Collector("--broker", broker.url, "--db", database) as running:
        with client(broker.port) as hostile, connected_device(parse_broker(broker.url)) as device:
            for number in range(12):
                first = 1 + 10_000 * number
                records = [Sample(seq=first + 2 * place, at_ns=0) for place in range(5_000)]
                sparse = Batch(device_id="dev-b", run_id=LATER, records=tuple(records))
                hostile.publish(topic("dev-b", "results"), encode_message(sparse), qos=1)
            begun = time.monotonic()
            device.publish(batch(run_records(), RUN))
            wait_until(lambda: device.has_receipt_through(RUN, 6), "the honest device's receipt")
            assert time.monotonic() - begun < 20.0
        begun = time.monotonic()
        assert running.end() == 0
        assert time.monotonic() - begun < 15.0
    refused = collector("rejected", "--db", database)
    assert "would have more than 4,096 gaps" in " ".join(refused.stdout.split())


SLOW = """
import sys, time
from collector.cli import main
from collector.serving import server
plain = server.ingest
def slow(store, deliveries):
    time.sleep(0.01 * len(deliveries))
    return plain(store, deliveries)
server.ingest = slow
sys.argv = ["collector", *sys.argv[1:]]
sys.exit(main())
"""
"""A collector that stores at most a hundred messages per second."""


def test_f38_a_device_that_floods_does_not_keep_others_waiting(
    broker: Mosquitto, database: Path, outbox: Outbox
) -> None:
    """It sends more than is stored, as long as it likes; the broker's queue would drop what others send."""
    enough = threading.Event()

    def flood() -> None:
        with client(broker.port) as hostile:
            while not enough.is_set():
                infos = [hostile.publish(topic("dev-b", "results"), b"{", qos=1) for _ in range(200)]
                infos[-1].wait_for_publish(SECONDS)

    with Collector("--broker", broker.url, "--db", database, program=SLOW) as running:
        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            wait_until(lambda: len(running.said) > 1, "the sentence")
            finish(outbox, begin(outbox, RUN))
            with publisher_to(broker.url, outbox) as publisher:
                until(publisher, lambda: not outbox.pending())
        finally:
            enough.set()
            flooding.join()
    assert any(line.startswith("'distilbench/1/dev-b/results' brings more") for line in running.said)
    assert stored_ranges(database) == {RUN: [(0, 1)]}


def client_ids(broker: Mosquitto, role: str) -> set[str]:
    """The client ids of a role that the broker's log has, which only its owner reads."""
    return set(re.findall(rf"as (distilbench-{role}-\S+)", broker.log.read_text()))


def test_f38_no_id_of_a_client_is_made_of_what_others_know(
    broker: Mosquitto, database: Path, outbox: Outbox, tmp_path: Path
) -> None:
    with Collector("--broker", broker.url, "--db", database):
        for _ in range(2):
            secret_file = tmp_path / "client-secret"
            with closing(Publisher(parse_broker(broker.url), DEVICE, outbox, secret_file)) as publisher:
                until(publisher, lambda publisher=publisher: publisher.was_connected)  # type: ignore[misc]
        list(probe(parse_broker(broker.url), DEVICE))
    with SqliteStore.open_to_read(database) as store:
        public = store.collector_id
        everything = "\n".join(store._db.conn.iterdump())
    (own,) = client_ids(broker, "collector")
    (agent,) = client_ids(broker, f"agent-{DEVICE}")
    (doctor,) = client_ids(broker, f"doctor-{DEVICE}")
    secrets = {name.rpartition("-")[2] for name in (own, agent, doctor)}
    assert len(secrets) == 3
    assert not any(secret in everything for secret in secrets), "a database may be copied and published"
    assert public not in own
    session = database.with_name(f"{database.name}-session")
    assert session.stat().st_mode & 0o777 == 0o600


def test_f38_the_prefix_of_client_ids_can_be_required(
    tmp_path: Path, database: Path, outbox: Outbox, stop: Stop
) -> None:
    """Some brokers bind rights to client ids."""
    finish(outbox, begin(outbox, RUN))
    lines = ("allow_anonymous true", "clientid_prefixes distilbench-")
    with Mosquitto(tmp_path, lines=lines) as strict, Collector("--broker", strict.url, "--db", database):
        with publisher_to(strict.url, outbox) as publisher:
            publisher.drain(SECONDS, stop)
        shown = collector("watch", "--once", "--broker", strict.url, "--db", database)
        assert (shown.returncode, DEVICE in shown.stdout) == (0, True)
    assert outbox.pending() == 0


def test_f38_a_collector_whose_session_is_taken_comes_back(broker: Mosquitto, database: Path) -> None:
    """Someone who knows its id after all; later brokers tell the client so."""
    with ExitStack() as stack:
        proxy = stack.enter_context(closing(Telling(broker.port)))
        running = stack.enter_context(
            Collector("--broker", f"mqtt://127.0.0.1:{proxy.port}", "--db", database)
        )
        (own,) = client_ids(broker, "collector")
        with client(broker.port, own):
            wait_until(lambda: len(running.said) > 1, "the loss")
        assert "another client took the collector's session" in running.said[1]
        assert running.said[1].endswith("Trying again in 5 s")
        wait_until(lambda: running.said[-1] == "connected again", "the return")
        with connected_device(BrokerAddress("127.0.0.1", broker.port)) as device:
            device.publish(batch(run_records(), RUN))
            wait_until(lambda: device.has_receipt_through(RUN, 6), "a receipt after the takeover")
        assert running.end() == 0


def test_f38_an_agent_whose_session_is_taken_delivers_later(
    broker: Mosquitto, database: Path, outbox: Outbox, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commandline.mqtt_client.FIRST_TAKEOVER_SECONDS", 1.0)
    with closing(Telling(broker.port)) as proxy:
        publisher = Publisher(parse_broker(f"mqtt://127.0.0.1:{proxy.port}"), DEVICE, outbox)
        until(publisher, lambda: publisher.was_connected)
        (own,) = client_ids(broker, f"agent-{DEVICE}")
        with client(broker.port, own):
            until(publisher, lambda: outbox.summary().link == "taken over")
        finish(outbox, begin(outbox, RUN))
        begun = time.monotonic()
        with Collector("--broker", broker.url, "--db", database):
            publisher.drain(SECONDS, stop)
        publisher.close()
    assert outbox.pending() == 0
    assert time.monotonic() - begun < SECONDS
    assert stored_ranges(database) == {RUN: [(0, 1)]}
