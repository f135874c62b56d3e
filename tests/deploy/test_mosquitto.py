"""Mosquitto, set up as `deploy/mosquitto/README.md` says, starts and lets in whom it should."""

import getpass
import socket
import subprocess
import time
from pathlib import Path

import pytest

from agent.doctor.broker import probe
from collector.broker.credentials import provision, write_secret
from commandline.broker_address import parse_broker
from commandline.finding import Finding
from tests.faults.certificates import Authority
from tests.installed import program
from tests.mosquitto import free_port

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"
DEBIAN = """
pid_file /run/mosquitto/mosquitto.pid
persistence true
persistence_location /var/lib/mosquitto/
log_dest file /var/log/mosquitto/mosquitto.log
include_dir /etc/mosquitto/conf.d
"""
"""/etc/mosquitto/mosquitto.conf of Debian 12, into whose conf.d an operator copies ours."""
DEVICE = "kitchen-pi"
START_SECONDS = 60.0


def settle(folder: Path, port: int, main: str) -> Path:
    """Put everything below a folder as it would lie below `/`, and return the main configuration."""
    signed = Authority(folder).sign("broker")
    for place in ("etc/mosquitto/conf.d", "etc/mosquitto/certs", "run/mosquitto", "mosquitto/data"):
        (folder / place).mkdir(parents=True)
    for place in ("var/lib/mosquitto", "var/log/mosquitto"):
        (folder / place).mkdir(parents=True)
    texts = {
        "mosquitto.conf": f"user {getpass.getuser()}\n{main}",
        "etc/mosquitto/conf.d/distilbench.conf": (DEPLOY / "distilbench.conf").read_text(),
        "etc/mosquitto/acl": (DEPLOY / "acl").read_text(),
        "etc/mosquitto/certs/server.crt": signed.certificate.read_text(),
        "etc/mosquitto/certs/server.key": signed.key.read_text(),
    }
    for name, text in texts.items():
        for place in ("/etc/", "/run/", "/var/", "/mosquitto/data"):
            text = text.replace(f" {place}", f" {folder}{place}")
        (folder / name).write_text(text.replace("listener 8883", f"listener {port} 127.0.0.1"))
    return folder / "mosquitto.conf"


@pytest.mark.broker
@pytest.mark.parametrize(
    "main", [DEBIAN, (DEPLOY / "container.conf").read_text()], ids=["debian", "container"]
)
def test_it_starts_and_lets_in_who_was_provisioned(tmp_path: Path, main: str) -> None:
    port = free_port()
    conf = settle(tmp_path, port, main)
    password = provision(tmp_path / "etc/mosquitto/passwords", DEVICE, hashed=True, replace=False)
    write_secret(tmp_path / "right", password)
    write_secret(tmp_path / "wrong", "another")
    with (tmp_path / "said").open("wb") as said:
        broker = subprocess.Popen([program("mosquitto"), "-c", conf], stdout=said, stderr=said)
    try:
        wait_until_it_listens(broker, port, tmp_path / "said")
        let_in, refused = (asked(port, tmp_path / name, tmp_path) for name in ("right", "wrong"))
    finally:
        broker.terminate()
        broker.wait(START_SECONDS)
    assert {finding.about: finding.level for finding in let_in} == {
        "broker": "ok",
        "certificate": "warn",  # it ends in two days
        "collector": "warn",  # there is none
    }
    assert [finding.level for finding in refused] == ["fail"]


def wait_until_it_listens(broker: "subprocess.Popen[bytes]", port: int, said: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with socket.socket() as client:
        while client.connect_ex(("127.0.0.1", port)) != 0:
            assert broker.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.02)


def asked(port: int, password_file: Path, folder: Path) -> list[Finding]:
    url = f"mqtts://{DEVICE}@127.0.0.1:{port}"
    return list(probe(parse_broker(url, password_file, folder / "authority.crt"), DEVICE))
