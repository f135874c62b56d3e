"""Who is not let in, and how: certificates, and brokers that speak another MQTT."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.delivery import uplink
from agent.delivery.certificate_refusal import out_of_date, refusal
from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox
from agent.stop_signal import Stop
from commandline.broker_address import BrokerAddress, parse_broker
from commandline.connection.validity import Validity
from tests.collector.running_collector import Collector
from tests.faults.certificates import Authority, Certificate
from tests.faults.oldbroker import WAYS, old_broker
from tests.faults.proxy import Stalling
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


def with_certificate(broker: Mosquitto, authority: Authority, own: Certificate) -> BrokerAddress:
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
            closing(Publisher(with_certificate(broker, authority, own), DEVICE, outbox)) as publisher,
        ):
            publisher.drain(SECONDS, stop)
    assert outbox.pending() == 0
    assert outbox.summary().link == "delivering"


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("expired server", r"cannot reach mqtts://\S+ .*certificate has expired"),
        (
            "expired device",
            r"refuses the certificate '\S+pi-5\.crt' \(certificate expired\): it expired on 20\S+; renew it",
        ),
        (
            "foreign device",
            r"refuses the certificate '\S+pi-5\.crt' \(unknown ca\): it does not know the authority",
        ),
        (
            "no certificate",
            r"requires a certificate from this device: name it with --cert-file and --key-file",
        ),
    ],
)
def test_a_certificate_that_is_not_accepted_is_a_clear_state(
    tmp_path: Path, outbox: Outbox, case: str, sentence: str
) -> None:
    """Each time, in the broker's own words: its alert is read even where it has closed by then."""
    authority = Authority(tmp_path)
    (tmp_path / "foreign").mkdir()
    signs = Authority(tmp_path / "foreign") if case == "foreign device" else authority
    server = authority.sign("server", expired=case == "expired server")
    own = signs.sign(DEVICE, expired=case == "expired device")
    begin(outbox, RUN)
    with Mosquitto(tmp_path, lines=tls_lines(authority, server)) as broker:
        address = with_certificate(broker, authority, own)
        if case == "no certificate":
            address = address._replace(cert_file=None, key_file=None)
        for _ in range(5):
            with closing(Publisher(address, DEVICE, outbox)) as publisher:
                until(publisher, lambda publisher=publisher: publisher.problem is not None)  # type: ignore[misc]
                assert publisher.problem is not None
                assert re.search(sentence, publisher.problem), publisher.problem
        summary = outbox.summary()
    assert (summary.link, summary.pending) == ("certificate refused", 1)
    assert re.search(sentence, str(summary.problem))


def test_a_certificate_of_tomorrow_tells_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board without a clock battery starts in the past."""
    own = Authority(tmp_path).sign(DEVICE).certificate
    assert out_of_date(own) is None
    tomorrow = Validity(datetime(2999, 1, 1, tzinfo=UTC), datetime(2999, 2, 1, tzinfo=UTC))
    monkeypatch.setattr("commandline.certificate.validity", lambda _: tomorrow)
    assert "it is valid from 2999-01-01, but this device's clock is at 20" in str(out_of_date(own))
    said = refusal("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] ssl/tls alert bad certificate (_ssl.c:1)", own)
    assert "(bad certificate): it is valid from 2999-01-01" in str(said)


@pytest.mark.parametrize("way", WAYS)
def test_a_broker_that_does_not_speak_mqtt_5_is_spoken_to_in_3_1_1(
    outbox: Outbox, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "GREETING_SECONDS", 2.0)
    begin(outbox, RUN)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        versions = pool.submit(old_broker, server, WAYS[way])
        publisher = Publisher(parse_broker(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), DEVICE, outbox)
        until(publisher, lambda: publisher.was_connected)
        publisher.close()
        assert versions.result(SECONDS) == [5, 4]


def test_a_broker_that_speaks_mqtt_5_is_not_left_for_3_1_1(outbox: Outbox, broker: Mosquitto) -> None:
    """One that hangs up once, as brokers do that start, is asked in version 5 again."""
    proxy = Stalling(broker.port)
    publisher = Publisher(parse_broker(f"mqtt://127.0.0.1:{proxy.port}"), DEVICE, outbox)
    until(publisher, lambda: publisher.was_connected)

    def connections() -> int:
        return len(re.findall(r"as distilbench-agent-pi-5-[0-9a-f]{32} \(p5,", broker.log.read_text()))

    before = connections()
    assert before
    proxy.cut()
    broker.stop()
    until(publisher, lambda: publisher.problem is not None)
    broker.start()
    until(publisher, lambda: connections() > before)
    publisher.close()
    proxy.close()
