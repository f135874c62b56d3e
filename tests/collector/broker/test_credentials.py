import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.broker.credentials import provision, read_credentials
from collector.errors import BadInput
from commandline.broker_address import parse_broker
from tests.canary import made
from tests.collector.command import collector
from tests.collector.factory import batch, run_records
from tests.collector.running_collector import Collector, wait_until
from tests.faults.devices import device_at
from tests.mosquitto import Mosquitto

ROOT = Path(__file__).parent.parents[2]
RUN, OTHER = "0" * 31 + "1", "0" * 31 + "2"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.broker
def test_provisioned_users_may_do_what_they_need_and_nothing_else(database: Path, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    keys = {user: provision(passwords, user, hashed=True, replace=False) for user in ("collector", "pi-5")}
    lines = ["allow_anonymous false", f"password_file {passwords}", f"acl_file {ROOT}/deploy/mosquitto/acl"]
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(keys["collector"])
    with Mosquitto(tmp_path, lines=lines) as broker:
        url = f"mqtt://collector@127.0.0.1:{broker.port}"
        for share in ((), ("--share", "workstations")):
            arguments = ("--broker", url, "--password-file", secret, "--db", database, *share)
            with (
                Collector(*arguments) as serving,
                device_at(broker.port, "pi-5", keys["pi-5"]) as device,
            ):
                assert device.publish("pi-5", batch(run_records(), RUN)) == "Success"
                wait_until(lambda device=device: device.receipts, "a receipt")  # type: ignore[misc]
                assert device.publish("pi-6", batch(run_records(), RUN)) == "Not authorized"
                device.subscribe("#")  # Mosquitto grants it, and looks at rights when it delivers
                assert device.publish("pi-5", batch(run_records(), OTHER)) == "Success"
                wait_until(lambda device=device: len(device.receipts) > 1, "another receipt")  # type: ignore[misc]
                assert device.heard == {"distilbench/1/pi-5/receipts"}
                assert serving.process.poll() is None
    assert mode(passwords) == 0o600
    assert not any(key in passwords.read_text() for key in keys.values())


def test_it_is_printed_once_and_not_made_twice(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    done = collector("provision", "pi-5", "--passwords", passwords, "--broker", "mqtts://hub:8884")
    *configuration, _, password = done.stdout.splitlines()
    made(password)
    assert 'broker = "mqtts://pi-5@hub:8884"' in configuration
    assert 'password-file = "password"' in configuration
    assert password not in passwords.read_text() + done.stderr
    again = collector("provision", "pi-5", "--passwords", passwords)
    assert (again.returncode, again.stdout) == (1, "")
    assert "has credentials in" in again.stderr
    before = passwords.read_text()
    replaced = collector("provision", "pi-5", "--passwords", passwords, "--replace")
    assert replaced.returncode == 0
    made(replaced.stdout.splitlines()[-1])
    assert len(passwords.read_text().splitlines()) == 1
    assert passwords.read_text() != before


def test_the_secret_can_go_to_a_private_file(tmp_path: Path) -> None:
    secret = tmp_path / "pi-5.password"
    done = collector(
        *("provision", "pi-5", "--passwords", tmp_path / "credentials", "--embedded"),
        *("--secret-file", secret),
    )
    assert mode(secret) == 0o600
    assert made(secret.read_text().strip()) not in done.stdout + done.stderr
    assert read_credentials(tmp_path / "credentials") == {"pi-5": secret.read_text().strip()}


@pytest.mark.parametrize("name", ["Küche", "a/b", "+", "", "pi:5"])
def test_what_is_no_device_is_refused(tmp_path: Path, name: str) -> None:
    refused = collector("provision", name, "--passwords", tmp_path / "passwords")
    assert refused.returncode == 1
    assert "is not a device id" in refused.stderr


def test_credentials_must_be_private_and_plain(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    provision(file, "pi-5", hashed=True, replace=False)
    with pytest.raises(BadInput, match=r"line 1 of .* is not user:password"):
        read_credentials(file)
    file.chmod(0o640)
    with pytest.raises(BadInput, match="chmod 600"):
        read_credentials(file)


def test_the_embedded_broker_beyond_loopback_demands_credentials(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = collector("serve", "--embedded-broker", "--listen", "127.0.0.2", "--db", database)
    assert bare.returncode == 2
    assert "--listen needs --credentials" in bare.stderr
    file = tmp_path / "credentials"
    password = provision(file, "pi-5", hashed=False, replace=False)
    arguments = ("--embedded-broker", "--listen", "127.0.0.2", "--credentials", file, "--db", database)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    with Collector(*arguments) as serving:
        assert not list((tmp_path / "temporary").iterdir()), "a killed process leaves no passwords"
        address = parse_broker(serving.said[0].split()[2].rstrip(","))
        assert address.host == "127.0.0.2"
        with device_at(address.port, "pi-5", password, host="127.0.0.2") as device:
            assert device.publish("pi-5", batch(run_records(), RUN)) == "Success"
            wait_until(lambda: device.receipts, "a receipt")
        with (
            pytest.raises(ConnectionRefusedError),
            device_at(address.port, "pi-5", "wrong", host="127.0.0.2"),
        ):
            pass
        assert password not in "\n".join(serving.said)


def test_a_password_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    target, file = tmp_path / "real", tmp_path / "passwords"
    target.write_text("other:hash\n")
    target.chmod(0o644)
    file.symlink_to(target)
    provision(file, "pi-5", hashed=True, replace=False)
    assert file.is_symlink() and target.read_text().startswith("other:hash\npi-5:$7$")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("url", ["mqtt:/u:secret@h", "hub", "mqtt://u:secret@h"])
def test_an_address_that_is_none_is_not_provisioned(tmp_path: Path, url: str) -> None:
    done = collector("provision", "pi-5", "--passwords", tmp_path / "passwords", "--broker", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "secret" not in done.stderr and not (tmp_path / "passwords").exists()


def test_a_folder_holds_all_that_a_device_needs(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text("certificates")
    where = ("--passwords", tmp_path / "passwords", "--broker", "mqtts://hub", "--to", tmp_path / "pi-5")
    done = collector("provision", "pi-5", *where, "--ca-file", tmp_path / "root.pem")
    assert done.returncode == 0, done.stderr
    password = made((tmp_path / "pi-5" / "password").read_text().strip())
    entered = (tmp_path / "passwords").read_text()
    assert len(password) > 40
    assert password not in done.stdout + done.stderr
    assert mode(tmp_path / "pi-5") == 0o700
    assert mode(tmp_path / "pi-5" / "password") == 0o600
    assert (tmp_path / "pi-5" / "ca.crt").read_text() == "certificates"
    assert 'ca-file = "ca.crt"' in (tmp_path / "pi-5" / "agent.toml").read_text()
    again = collector("provision", "pi-5", *where, "--replace")
    assert again.returncode == 1
    assert "pi-5' exists already: name a new one" in again.stderr
    secret = ("--secret-file", tmp_path / "gone" / "secret")
    nowhere = collector("provision", "pi-5", "--passwords", tmp_path / "passwords", *secret, "--replace")
    assert nowhere.returncode == 1
    assert "does not exist: create it first" in nowhere.stderr
    assert (tmp_path / "passwords").read_text() == entered, "the device's password still holds"


def test_provisions_at_one_time_all_count(tmp_path: Path) -> None:
    names = [f"pi-{number}" for number in range(16)]

    def enter(name: str) -> str:
        return provision(tmp_path / "passwords", name, hashed=False, replace=False)

    with ThreadPoolExecutor(8) as pool:
        passwords = dict(zip(names, pool.map(enter, names), strict=True))
    assert read_credentials(tmp_path / "passwords") == passwords


def test_the_collector_gets_a_configuration_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "collector"
    where = ("--passwords", tmp_path / "passwords", "--broker", "mqtt://hub", "--to", folder)
    assert collector("provision", "collector", *where).returncode == 0
    made((folder / "password").read_text().strip())
    shown = collector("config", "show", "--json", "--config", folder / "collector.toml")
    assert json.loads(shown.stdout)["broker"]["value"] == "mqtt://collector@hub"
    assert json.loads(shown.stdout)["db"]["value"] == str(folder / "results.db")
    assert collector("config", "check", folder / "collector.toml").returncode == 0
