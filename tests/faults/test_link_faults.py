"""Who is not let in, and how: certificates, and brokers that speak another MQTT."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from agent.broker import Broker, parse_broker
from agent.courier import Courier
from agent.outbox import Outbox
from agent.stop import Stop
from collector.address import parse_address
from tests.collector.serving import Collector
from tests.faults.certificates import Authority, Certificate
from tests.faults.sending import DEVICE, SECONDS, begin, finish, until
from tests.mosquitto import Mosquitto

pytestmark = [
    pytest.mark.broker,
    # paho leaves a socket whose handshake failed
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

RUN = "a" * 32


def tls_lines(authority: Authority, server: Certificate) -> list[str]:
    return [
        *("allow_anonymous true", f"certfile {server.certificate}", f"keyfile {server.key}"),
        *(
            f"cafile {authority.root.certificate}",
            "require_certificate true",
            "use_identity_as_username true",
        ),
    ]


def with_certificate(broker: Mosquitto, authority: Authority, own: Certificate) -> Broker:
    url = f"mqtts://127.0.0.1:{broker.port}"
    return parse_broker(url, ca_file=authority.root.certificate, cert_file=own.certificate, key_file=own.key)


def test_client_certificates_and_the_rights_of_their_names(
    tmp_path: Path, outbox: Outbox, stop: Stop, database: Path
) -> None:
    authority = Authority(tmp_path)
    server, own, ours = (authority.sign(name) for name in ("server", DEVICE, "collector"))
    acl = Path(__file__).parents[2] / "deploy" / "mosquitto" / "acl"
    finish(outbox, begin(outbox, RUN))
    with Mosquitto(tmp_path, lines=[*tls_lines(authority, server), f"acl_file {acl}"]) as broker:
        arguments = (
            *("--broker", f"mqtts://127.0.0.1:{broker.port}", "--ca-file", authority.root.certificate),
            *("--cert-file", ours.certificate, "--key-file", ours.key, "--db", database),
        )
        with (
            Collector(*arguments),
            closing(Courier(with_certificate(broker, authority, own), DEVICE, outbox)) as courier,
        ):
            courier.drain(SECONDS, stop)
    assert outbox.pending() == 0
    assert outbox.summary().link == "delivering"


@pytest.mark.parametrize("expired", ["server", "device"])
def test_an_expired_certificate_is_a_clear_state(tmp_path: Path, outbox: Outbox, expired: str) -> None:
    """With TLS 1.3 a reset can overtake the broker's alert: then "expired" is what the agent supposes."""
    authority = Authority(tmp_path)
    server = authority.sign("server", expired=expired == "server")
    own = authority.sign(DEVICE, expired=expired == "device")
    begin(outbox, RUN)
    with (
        Mosquitto(tmp_path, lines=tls_lines(authority, server)) as broker,
        closing(Courier(with_certificate(broker, authority, own), DEVICE, outbox)) as courier,
    ):
        until(courier, lambda: outbox.summary().link == "certificate refused")
        summary = outbox.summary()
    assert summary.pending == 1
    assert "expired" in str(summary.problem)


def test_a_collector_reads_certificates_too(tmp_path: Path) -> None:
    own = Authority(tmp_path).sign("collector")
    address = parse_address("mqtts://host", cert_file=own.certificate, key_file=own.key)
    assert (address.cert_file, address.key_file) == (own.certificate, own.key)


def test_a_broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1(outbox: Outbox) -> None:
    """As amqtt answers version 5: return code 1, unacceptable protocol version."""
    begin(outbox, RUN)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        versions = pool.submit(old_broker, server)
        courier = Courier(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), DEVICE, outbox)
        until(courier, lambda: courier.was_connected)
        courier.close()
        assert versions.result(SECONDS) == [5, 4]


def old_broker(server: socket.socket) -> list[int]:
    """Two connections: refuse the first, let the second in and acknowledge its subscription."""
    versions = []
    for answers in ([b"\x20\x02\x00\x01"], [b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01"]):
        connection, _ = server.accept()
        with connection:
            connection.settimeout(SECONDS)
            for index, answer in enumerate(answers):
                packet = connection.recv(4096)
                if index == 0:
                    versions.append(packet[packet.index(b"MQTT") + 4])
                connection.sendall(answer)
            while connection.recv(4096):
                continue
    return versions
