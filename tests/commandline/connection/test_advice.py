"""Advice on what people get wrong most often: asked of real brokers and real certificates."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from agent.delivery import uplink
from agent.doctor import broker as doctor
from agent.doctor.broker import probe
from collector.broker import visit
from commandline.broker_address import BrokerAddress, parse_broker
from commandline.connection import port
from commandline.connection.advice import advice_of_port, advice_on
from commandline.connection.port import Spoken, spoken_at
from commandline.connection.tls import tls_context
from tests.collector.running_collector import ROOT
from tests.faults.certificates import Authority, Certificate, openssl
from tests.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.broker


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "SECONDS", 1.5)
    for module in (uplink, doctor):
        monkeypatch.setattr(module, "GREETING_SECONDS", 6.0)
    monkeypatch.setattr(visit, "PATIENCE_SECONDS", 6.0)


@contextmanager
def encrypted(folder: Path, authority: Authority, own: Certificate, *lines: str) -> Iterator[Mosquitto]:
    tls = (f"cafile {authority.root.certificate}", f"certfile {own.certificate}", f"keyfile {own.key}")
    with Mosquitto(folder, lines=("allow_anonymous true", *tls, *lines)) as running:
        yield running


def named(folder: Path, authority: Authority, names: str) -> Certificate:
    """A certificate for these names instead of this machine's address."""
    own = authority.sign("server")
    extensions, request = folder / "names.ext", folder / "server.csr"
    extensions.write_text(names + "\n")
    openssl(
        *("x509", "-req", "-in", request, "-CA", authority.root.certificate, "-CAkey", authority.root.key),
        *("-CAcreateserial", "-extfile", extensions, "-days", "2", "-out", own.certificate),
    )
    return own


class Quiet(BaseHTTPRequestHandler):
    """Answers every request with an error, as a WebSocket port does if the upgrade is not to its liking."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def advice(url: str, ca_file: Path | None = None) -> tuple[str, str]:
    """What the doctor of the agent and that of the collector advise."""
    ours = [
        finding for finding in probe(parse_broker(url, ca_file=ca_file), "pi-5") if finding.level == "fail"
    ]
    options = [] if ca_file is None else ["--ca-file", str(ca_file)]
    command = [sys.executable, "-m", "collector", "doctor", "--json", "--broker", url, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    theirs = [finding for finding in json.loads(done.stdout) if finding["about"] == "broker"]
    return ours[0].advice, str(theirs[0]["advice"])


@pytest.mark.parametrize("names", ["subjectAltName=DNS:workstation.local", "basicConstraints=CA:FALSE"])
def test_a_certificate_for_another_name(tmp_path: Path, names: str) -> None:
    authority = Authority(tmp_path)
    with encrypted(tmp_path, authority, named(tmp_path, authority, names)) as running:
        for said in advice(f"mqtts://127.0.0.1:{running.port}", authority.root.certificate):
            assert "a name that its certificate has, or make a certificate that has '127.0.0.1' in" in said


def test_an_authority_that_is_not_known_or_another_one(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    with encrypted(tmp_path, authority, authority.sign("server")) as running:
        url = f"mqtts://127.0.0.1:{running.port}"
        for said in advice(url):
            assert "with --ca-file" in said
        for said in advice(url, other.root.certificate):
            assert "is of another one" in said


def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with encrypted(tmp_path, authority, authority.sign("server", expired=True)) as running:
        for said in advice(f"mqtts://127.0.0.1:{running.port}", authority.root.certificate):
            assert "renew the broker's certificate" in said


@pytest.mark.parametrize("more", [(), ("require_certificate true",)])
def test_plain_words_to_a_port_of_tls(tmp_path: Path, more: tuple[str, ...]) -> None:
    authority = Authority(tmp_path)
    with encrypted(tmp_path, authority, authority.sign("server"), *more) as running:
        for said in advice(f"mqtt://127.0.0.1:{running.port}"):
            assert f"expects TLS: write mqtts://127.0.0.1:{running.port}" in said


def test_tls_to_a_port_without_it(broker: Mosquitto) -> None:
    for said in advice(f"mqtts://127.0.0.1:{broker.port}"):
        assert "this port has no TLS" in said and f"mqtt://127.0.0.1:{broker.port}" in said


@pytest.mark.proof
def test_a_port_of_websocket() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        for scheme in ("mqtt", "mqtts"):
            for said in advice(f"{scheme}://127.0.0.1:{server.server_port}"):
                assert "this port is for WebSocket or HTTP" in said
        assert spoken_at("127.0.0.1", server.server_port) == Spoken(tls=False, protocol="HTTP")
        server.shutdown()


def test_a_port_that_is_as_it_should_be_needs_no_advice(tmp_path: Path, broker: Mosquitto) -> None:
    assert advice_of_port(BrokerAddress("127.0.0.1", broker.port)) is None
    assert advice_of_port(BrokerAddress("127.0.0.1", free_port())) is None
    authority = Authority(tmp_path)
    with encrypted(tmp_path, authority, authority.sign("server")) as running:
        assert spoken_at("127.0.0.1", running.port) == Spoken(tls=True, protocol="MQTT")
        assert advice_of_port(BrokerAddress("127.0.0.1", running.port, tls=True)) is None


def test_a_host_without_a_name() -> None:
    said = advice_on(BrokerAddress("no-such-host", 1883), "[Errno -2] Name or service not known")
    assert said is not None and "'no-such-host'" in said
    assert advice_on(BrokerAddress("host", 1883), "Connection refused") is None


def test_a_key_of_another_certificate_is_refused_at_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, two = authority.sign("one"), authority.sign("two")
    for own in (one, two):
        own.key.chmod(0o600)
    root = authority.root.certificate
    with pytest.raises(ValueError, match=r"'.*two\.key' does not belong to the certificate '.*one\.crt'"):
        parse_broker("mqtts://host", None, root, one.certificate, two.key)
    one.certificate.chmod(0o600)
    with pytest.raises(ValueError, match=r"'.*one\.crt' with the key '.*one\.crt' cannot be used"):
        parse_broker("mqtts://host", None, root, one.certificate, one.certificate)
    (tmp_path / "empty.crt").touch()
    with pytest.raises(ValueError, match=r"the file of certificates '.*empty\.crt' cannot be used"):
        parse_broker("mqtts://host", None, tmp_path / "empty.crt")


def test_nobody_is_asked_for_the_passphrase_of_a_key(tmp_path: Path) -> None:
    """Also if the key is encrypted after the address was parsed, as a renewed one may be."""
    authority = Authority(tmp_path)
    own = authority.sign("pi-5")
    secret = tmp_path / "secret.key"
    openssl("pkey", "-in", own.key, "-aes256", "-passout", "pass:x", "-out", secret)
    address = BrokerAddress("host", 8883, True, None, None, None, own.certificate, secret)
    with pytest.raises(ValueError, match=r"with the key '.*secret\.key' cannot be used"):
        tls_context(address)


@pytest.mark.parametrize("url", ["ws://broker", "wss://broker:443"])
def test_websocket_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="MQTT over WebSocket is not supported"):
        parse_broker(url)
