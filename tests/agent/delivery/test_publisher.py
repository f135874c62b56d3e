import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.delivery.publisher import Publisher
from agent.errors import NotDelivered, OutboxFull
from agent.outbox.outbox import Outbox
from agent.stop_signal import Stop
from commandline.broker_address import BrokerAddress, parse_broker
from contract.messages import Receipt, encode_message
from contract.records import Record
from contract.topics import topic
from tests.agent.collector import FakeCollector
from tests.agent.records import RUN_A, RUN_B, begin, fill
from tests.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.broker

SECONDS = 60.0
Connect = Callable[..., Publisher]


@pytest.fixture
def connect(broker: Mosquitto, outbox: Outbox) -> Iterator[Connect]:
    """Makes publishers of the device `device`, closed at the end."""
    publishers = []

    def make(address: BrokerAddress | None = None) -> Publisher:
        publishers.append(Publisher(address or parse_broker(broker.url), "device", outbox))
        return publishers[-1]

    yield make
    for publisher in publishers:
        publisher.close()


def until(publisher: Publisher, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not happen; the publisher says: {publisher.problem}")
        publisher.step(wait_seconds=0.05)
        time.sleep(0.002)  # a publisher that waits before it tries again does not wait here


def test_the_outbox_is_delivered_and_forgotten(
    broker: Mosquitto, outbox: Outbox, connect: Connect, stop: Stop
) -> None:
    fill(outbox, begin(outbox, RUN_A), 450)
    fill(outbox, begin(outbox, RUN_B), 3)
    with FakeCollector(broker.port) as collector:
        publisher = connect()
        publisher.drain(SECONDS, stop)
        publisher.check()
        assert outbox.pending() == 0
        assert set(collector.records) == {(RUN_A, seq) for seq in range(450)} | {
            (RUN_B, seq) for seq in range(3)
        }
        assert collector.received == 453


def test_the_state_is_born_retained_and_leaves_with_a_goodbye(
    broker: Mosquitto, outbox: Outbox, connect: Connect
) -> None:
    fill(outbox, begin(outbox), 3)
    publisher = connect()
    until(publisher, lambda: publisher.was_connected)
    publisher.step()
    with FakeCollector(broker.port) as collector:
        collector.wait_for(lambda: bool(collector.states))  # retained: it came before the collector did
        assert (collector.states[0].state, collector.states[0].pending) == ("connected", 3)
        publisher.close()
        collector.wait_for(lambda: len(collector.states) > 1)
    assert collector.states[-1].state == "disconnected"
    assert collector.states[-1].session_id == collector.states[0].session_id


@pytest.mark.parametrize("end", [Mosquitto.stop, Mosquitto.kill])
def test_a_broker_that_comes_back_gets_what_was_not_receipted(
    broker: Mosquitto, outbox: Outbox, connect: Connect, stop: Stop, end: Callable[[Mosquitto], None]
) -> None:
    place = fill(outbox, begin(outbox), 10)
    publisher = connect()
    with FakeCollector(broker.port, silent=True) as collector:
        until(publisher, lambda: collector.received == 10)
    end(broker)
    until(publisher, lambda: publisher.problem is not None)
    fill(outbox, place, 5)
    broker.start()
    with FakeCollector(broker.port) as collector:
        publisher.drain(SECONDS, stop)
        assert outbox.pending() == 0
        assert [seq for _, seq in sorted(collector.records)] == list(range(15))


def test_without_a_receipt_nothing_is_forgotten(broker: Mosquitto, outbox: Outbox, connect: Connect) -> None:
    fill(outbox, begin(outbox), 10)
    publisher = connect()
    with FakeCollector(broker.port, silent=True) as collector:
        until(publisher, lambda: collector.received == 10)
        assert outbox.pending() == 10
        collector.send_receipt("another")
        collector.publish(
            "device", encode_message(Receipt(device_id="another", collector_id="x", streams=()))
        )
        collector.send_receipt("device")
        until(publisher, lambda: outbox.pending() == 0)


def test_a_receipt_that_cannot_be_read_is_reported_and_survived(
    broker: Mosquitto, outbox: Outbox, connect: Connect
) -> None:
    fill(outbox, begin(outbox), 2)
    publisher = connect()
    with FakeCollector(broker.port, silent=True) as collector:
        until(publisher, lambda: collector.received == 2)
        collector.publish("device", b"\xff\x00 no receipt")
        until(publisher, lambda: publisher.problem is not None)
        with pytest.raises(NotDelivered, match="a receipt cannot be read: message is not valid JSON"):
            publisher.check()
        collector.send_receipt("device")
        until(publisher, lambda: outbox.pending() == 0)
    publisher.check()


def test_what_the_collector_refuses_is_set_aside(
    broker: Mosquitto, outbox: Outbox, connect: Connect, stop: Stop
) -> None:
    def odd(record: Record) -> str | None:
        return "odd" if record.seq % 2 else None

    fill(outbox, begin(outbox), 6)
    with FakeCollector(broker.port, odd) as collector:
        connect().drain(SECONDS, stop)
        assert sorted(seq for _, seq in collector.records) == [0, 2, 4]
    assert outbox.summary().dropped == 3
    assert outbox.summary().refused[0].reason == "odd"


def test_an_unreachable_broker_is_reported(outbox: Outbox, connect: Connect) -> None:
    fill(outbox, begin(outbox), 2)
    publisher = connect(parse_broker(f"mqtt://127.0.0.1:{free_port()}"))
    until(publisher, lambda: publisher.problem is not None)
    with pytest.raises(
        NotDelivered, match=r"cannot reach mqtt://127.0.0.1:\d+: Connection refused; 2 results"
    ):
        publisher.check()
    assert not publisher.was_connected


def test_a_broker_that_accepts_nobody_is_reported(tmp_path: Path, outbox: Outbox, connect: Connect) -> None:
    fill(outbox, begin(outbox), 2)
    with Mosquitto(tmp_path, lines=["allow_anonymous false"]) as strict:
        publisher = connect(parse_broker(strict.url))
        until(publisher, lambda: publisher.problem is not None)
        with pytest.raises(NotDelivered, match="does not let this agent in: Not authorized"):
            publisher.check()


def test_a_device_that_may_not_publish_is_reported(tmp_path: Path, outbox: Outbox, connect: Connect) -> None:
    (tmp_path / "acl").write_text("topic read #\ntopic write distilbench/1/+/state\n")
    fill(outbox, begin(outbox), 2)
    lines = ["allow_anonymous true", f"acl_file {tmp_path / 'acl'}"]
    with Mosquitto(tmp_path, lines=lines) as strict:
        publisher = connect(parse_broker(strict.url))
        until(publisher, lambda: publisher.problem is not None)
        with pytest.raises(NotDelivered, match="does not accept results of 'device': Not authorized"):
            publisher.check()
    assert outbox.pending() == 2


def test_the_brokers_own_limit_is_kept(tmp_path: Path, outbox: Outbox, connect: Connect, stop: Stop) -> None:
    fill(outbox, begin(outbox), 100)
    lines = ["allow_anonymous true", "max_packet_size 2000"]
    with Mosquitto(tmp_path, lines=lines) as strict, FakeCollector(strict.port) as collector:
        connect(parse_broker(strict.url)).drain(SECONDS, stop)
        assert len(collector.records) == 100
        assert len(collector.batches) > 2
    assert outbox.pending() == 0


def test_no_more_is_unacknowledged_than_the_broker_allows(
    outbox: Outbox, connect: Connect, stop: Stop
) -> None:
    """Mosquitto does not mind more; this broker allows two, and counts before it acknowledges anything."""
    fill(outbox, begin(outbox), 1000)
    allowed = b"\x20\x06\x00\x00\x03\x21\x00\x02"
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        came = bytearray()

        def messages() -> int:
            return sum(came.count(topic("device", kind).encode()) for kind in ("results", "state"))

        def receive() -> None:
            connection, _ = server.accept()
            with connection:
                for packet in (allowed, b"\x90\x04\x00\x01\x00\x00"):
                    assert connection.recv(4096)
                    connection.sendall(packet)
                while part := connection.recv(65_536):
                    came.extend(part)

        done = pool.submit(receive)
        publisher = connect(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"))
        until(publisher, lambda: publisher.was_connected)
        until(publisher, lambda: messages() == 2)
        publisher.drain(0.5, stop)
        publisher.close()
        done.result(SECONDS)
        assert messages() == 2


@pytest.mark.parametrize(
    "packets",
    [
        [b"\x20\x03\x00\x00\x00", b"\x90\x03\x00\x01\x00"],  # a SUBACK that grants nothing
        [b"\x20\x01\x00"],
        [b"\x20\x05\x00\x00\x02\xff\xff"],  # a property that does not exist
        [b"\xff\xff\xff\xff\xff\xff"],
    ],
)
def test_a_broker_that_sends_no_mqtt_is_reported(
    outbox: Outbox, connect: Connect, stop: Stop, packets: list[bytes]
) -> None:
    fill(outbox, begin(outbox), 1)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        done = pool.submit(scripted_broker, server, packets)
        publisher = connect(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"))
        until(publisher, lambda: publisher.problem is not None)
        with pytest.raises(NotDelivered, match="1 result is kept"):
            publisher.check()
        done.result(SECONDS)


def test_a_collector_that_is_away_is_reported_though_the_broker_keeps_its_session(
    broker: Mosquitto, outbox: Outbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.delivery.publisher.SILENCE_SECONDS", 1.0)
    fill(outbox, begin(outbox), 10)
    publisher = connect()
    with FakeCollector(broker.port, silent=True) as collector:
        until(publisher, lambda: outbox.summary().link == "no collector")
        assert "accepts results, but no receipt has come" in (outbox.summary().problem or "")
        until(publisher, lambda: collector.received >= 20)  # by a new connection
        collector.silent = False
        until(publisher, lambda: outbox.pending() == 0)
    assert outbox.summary().link == "delivering"


def test_a_disk_that_is_full_for_a_while_does_not_end_delivery(
    broker: Mosquitto, outbox: Outbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(outbox, begin(outbox), 3)

    def full(*_: object, **__: object) -> None:
        raise OutboxFull("the disk is full")

    monkeypatch.setattr("agent.delivery.sender.FIRST_PATIENCE_SECONDS", 0.2)
    with FakeCollector(broker.port, refuse=lambda _: "not wanted"), monkeypatch.context() as patch:
        patch.setattr(outbox, "confirm", full)
        publisher = connect()
        until(publisher, lambda: publisher.problem == "the disk is full")
        patch.undo()
        until(publisher, lambda: outbox.pending() == 0)
    assert [refused.count for refused in outbox.summary().refused] == [3]


def test_a_session_that_is_taken_over_is_reported_and_taken_up_again(
    outbox: Outbox, connect: Connect, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mosquitto 2.0.11 closes the older connection without a reason; this broker gives one."""
    monkeypatch.setattr("commandline.mqtt_client.FIRST_TAKEOVER_SECONDS", 0.5)
    fill(outbox, begin(outbox), 1)
    packets = [b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x00", b"\xe0\x01\x8e"]
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        done = pool.submit(scripted_broker, server, packets)
        begun = time.monotonic()  # what comes before the loss takes milliseconds
        publisher = connect(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"))
        until(publisher, lambda: publisher.problem is not None)
        with pytest.raises(NotDelivered, match=r"another agent has connected to .* as 'device': give each"):
            publisher.check()
        assert outbox.summary().link == "taken over"
        done.result(SECONDS)
        again = pool.submit(scripted_broker, server, packets[:2])
        until(publisher, lambda: publisher.problem is None)
        assert time.monotonic() - begun > 0.2, "it does not fight for the name"
        publisher.close()
        again.result(SECONDS)


def scripted_broker(server: socket.socket, packets: list[bytes]) -> None:
    """Answer each packet of one client with the next of these, then wait until it leaves."""
    connection, _ = server.accept()
    with connection:
        for packet in packets:
            assert connection.recv(4096)
            connection.sendall(packet)
        while connection.recv(4096):
            continue


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # paho leaves a socket whose handshake failed
def test_tls_with_a_certificate_of_ones_own(tmp_path: Path, outbox: Outbox, connect: Connect) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *kind, *map(str, files)], check=True, capture_output=True)
    lines = ["allow_anonymous true", f"certfile {certificate}", f"keyfile {key}"]
    fill(outbox, begin(outbox), 5)
    with Mosquitto(tmp_path, lines=lines) as secure:
        url = f"mqtts://127.0.0.1:{secure.port}"
        trusting = connect(parse_broker(url, ca_file=certificate))
        until(trusting, lambda: trusting.was_connected)
        wary = connect(parse_broker(url))
        until(wary, lambda: wary.problem is not None)
        with pytest.raises(NotDelivered, match=r"cannot reach mqtts://.*certificate"):
            wary.check()


def test_a_broker_that_is_not_at_its_host_is_found_at_another_one(
    broker: Mosquitto, outbox: Outbox, connect: Connect, stop: Stop
) -> None:
    fill(outbox, begin(outbox, RUN_A), 3)
    address = parse_broker(f"mqtt://127.0.0.2:{broker.port}")
    with FakeCollector(broker.port) as collector:
        publisher = connect(address._replace(other_hosts=("127.0.0.3", "127.0.0.1")))
        publisher.drain(SECONDS, stop)
        assert publisher.broker.host == "127.0.0.1"
        assert len(collector.records) == 3
