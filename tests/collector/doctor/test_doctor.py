"""`collector doctor` at real brokers, good ones and bad ones."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from collector.broker.credentials import provision
from collector.cli import cli
from collector.store.opening import open_store
from tests.canary import CANARY, may_hold
from tests.collector.command import ROOT, shown
from tests.faults.certificates import Authority
from tests.mosquitto import Mosquitto, free_port


class Examined(NamedTuple):
    code: int
    verdicts: dict[str, str]
    text: str


def doctor(*arguments: str | Path) -> Examined:
    done = CliRunner().invoke(cli, ["doctor", "--json", *map(str, arguments)], standalone_mode=False)
    assert done.exception is None, done.exception
    findings = json.loads(done.stdout)
    for finding in findings:
        assert finding["what"]
        assert finding["level"] == "ok" or finding["advice"], finding
    rank = ("ok", "warn", "fail")
    verdicts: dict[str, str] = {}
    for finding in findings:
        worst = max(finding["level"], verdicts.get(finding["about"], "ok"), key=rank.index)
        verdicts[finding["about"]] = worst
    assert done.return_value == int("fail" in verdicts.values())
    return Examined(done.return_value, verdicts, done.stdout)


@pytest.mark.broker
def test_all_is_well_at_a_broker_of_ones_own(broker: Mosquitto, database: Path) -> None:
    examined = doctor("--broker", broker.url, "--db", database)
    assert examined.code == 0
    assert "fail" not in examined.verdicts.values()
    for check in ("broker", "read results", "share results", "send receipts", "session", "message size"):
        assert examined.verdicts[check] == "ok", examined.text
    assert "will be created" in examined.text
    assert not database.exists()
    lines = shown("doctor", "--broker", broker.url, "--db", database, columns=200).splitlines()
    assert lines[0] == f"ok    broker           {broker.url} accepts the collector, over MQTT 5"


@pytest.fixture
def strict(tmp_path: Path) -> Mosquitto:
    """The rights of `deploy/mosquitto`, and a user each."""
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    shutil.copy(ROOT / "deploy" / "mosquitto" / "acl", acl)
    for user in ("collector", "pi-5"):
        secret = tmp_path / f"secret-{user}"
        secret.touch(mode=0o600)
        secret.write_text(provision(passwords, user, hashed=True, replace=False))
    lines = ["allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}"]
    return Mosquitto(tmp_path, lines=lines)


@pytest.mark.broker
def test_who_may_not_do_a_collectors_work_fails(strict: Mosquitto, tmp_path: Path, database: Path) -> None:
    with strict:

        def as_user(user: str) -> Examined:
            url = strict.url.replace("//", f"//{user}@")
            return doctor("--broker", url, "--password-file", tmp_path / f"secret-{user}", "--db", database)

        good = as_user("collector")
        assert good.code == 0
        assert good.verdicts["strangers"] == "ok"
        device = as_user("pi-5")
        assert (device.verdicts["read results"], device.verdicts["send receipts"]) == ("ok", "fail")
        assert "compare deploy/mosquitto/acl" in device.text
        wrong = tmp_path / "secret-collector"
        wrong.write_text(f"{CANARY}-wrong")
        assert as_user("collector").verdicts["broker"] == "fail"
        may_hold(wrong).chmod(0o644)
        exposed = as_user("collector")
    assert exposed.verdicts["broker"] == "fail"
    assert "chmod 600" in exposed.text
    assert CANARY not in exposed.text


@pytest.mark.broker
def test_a_broker_that_can_do_little(tmp_path: Path, database: Path) -> None:
    lines = ["allow_anonymous true", "max_packet_size 65536", "retain_available false", "max_qos 0"]
    with Mosquitto(tmp_path, lines=lines) as poor:
        examined = doctor("--broker", poor.url, "--db", database)
    assert (examined.verdicts["message size"], examined.verdicts["retain"], examined.verdicts["QoS"]) == (
        "warn",
        "warn",
        "fail",
    )


def test_nobody_there(database: Path) -> None:
    examined = doctor("--broker", f"mqtt://127.0.0.1:{free_port()}", "--db", database)
    assert examined.verdicts["broker"] == "fail"
    assert "no broker answers" in examined.text


@pytest.mark.broker
def test_certificates_that_end_soon_and_strangers_without_one(tmp_path: Path, database: Path) -> None:
    authority = Authority(tmp_path)
    server, own = authority.sign("server", days=5), authority.sign("collector", days=90)
    lines = [
        *("allow_anonymous true", f"certfile {server.certificate}", f"keyfile {server.key}"),
        *(f"cafile {authority.root.certificate}", "require_certificate true"),
    ]
    with Mosquitto(tmp_path, lines=lines) as encrypted:
        options = ("--ca-file", authority.root.certificate, "--db", database)
        url = f"mqtts://127.0.0.1:{encrypted.port}"
        examined = doctor("--broker", url, "--cert-file", own.certificate, "--key-file", own.key, *options)
        without = doctor("--broker", url, *options)
    assert examined.verdicts["encryption"] == "warn"
    assert "the broker's certificate expires on" in examined.text and "in 4 days" in examined.text
    assert "the collector's own certificate expires on" in examined.text
    assert examined.verdicts["strangers"] == "ok"
    assert without.verdicts["broker"] == "fail"


def test_a_database_that_is_not_whole(database: Path) -> None:
    open_store(database, create=True).close()
    assert doctor("--db", database).verdicts["database"] == "ok"
    whole = database.read_bytes()
    database.write_bytes(whole[:8192] + b"\xa5" * 4096 + whole[12288:])
    examined = doctor("--db", database)
    assert examined.verdicts["database"] == "fail"
    assert doctor("--db", database.parent / "nowhere" / "results.db").verdicts["database"] == "fail"


def test_an_embedded_broker_that_listens_to_a_network_is_warned_of(tmp_path: Path, database: Path) -> None:
    credentials = tmp_path / "credentials"
    provision(credentials, "pi-5", hashed=False, replace=False)
    where = ("--embedded-broker", "--db", database)
    assert "rights" not in doctor(*where).verdicts
    examined = doctor(*where, "--listen", "0.0.0.0", "--credentials", credentials)
    assert examined.verdicts["rights"] == "warn"
    assert "others can read everything, passwords included" in examined.text
    assert "pi-5 may log in" in examined.text
