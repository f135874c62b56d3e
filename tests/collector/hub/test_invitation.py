"""Passes, and the lines and lists that `collector invite` prints."""

import hashlib
import json
import sqlite3
import time
from pathlib import Path

import pytest

from collector.errors import BadInput, StorageUnavailable
from collector.hub.authority import certify
from collector.hub.folder import HubFolder, HubSettings
from collector.hub.invitation import curl_line, qr_text, seconds_of, wget_line
from collector.hub.register import Conflict, Refused, Register, UnknownPass
from tests import installed
from tests.canary import made
from tests.collector.command import collector

PIN = "sha256//AAAA="


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "register.db")


def use(register: Register, secret: str, device: str) -> None:
    with register.letting_in(secret, device, "x86_64", "3.11"):
        pass


def test_a_pass_has_128_bits_and_only_its_hash_is_kept(register: Register, tmp_path: Path) -> None:
    secrets = {register.invite(None, 60.0, 1).removeprefix("canary-8c1f-b7aa-") for _ in range(50)}
    assert len(secrets) == 50
    assert {len(secret) for secret in secrets} == {22}
    data = (tmp_path / "register.db").read_bytes()
    secret = register.invite(None, 60.0, 1)
    stored = (tmp_path / "register.db").read_bytes()
    assert secret.encode() not in stored
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in stored
    assert data != stored


def test_a_use_is_counted_only_if_the_device_got_its_credentials(register: Register) -> None:
    secret = register.invite(None, 60.0, 1)
    with pytest.raises(StorageUnavailable), register.letting_in(secret, "a", "", ""):
        raise StorageUnavailable("the disk is full")
    assert register.members() == []
    use(register, secret, "a")
    with pytest.raises(Refused, match="was used already"):
        use(register, secret, "b")
    assert [member.device for member in register.members()] == ["a"]


def test_a_bound_pass_lets_only_its_device_in_and_again(register: Register) -> None:
    bound, free = register.invite("a", 60.0, 2), register.invite(None, 60.0, 9)
    with pytest.raises(Refused, match="this pass is for a, not for b"):
        use(register, bound, "b")
    use(register, bound, "a")
    use(register, bound, "a")
    with pytest.raises(Conflict, match="a device named a has joined already"):
        use(register, free, "a")


def test_removed_devices_and_their_passes_are_gone(register: Register) -> None:
    bound = register.invite("a", 60.0, 5)
    use(register, bound, "a")
    assert register.remove("a")
    assert not register.remove("a")
    with pytest.raises(Refused, match="was revoked"):
        register.check(bound)


def test_an_unknown_pass_may_be_a_guess(register: Register) -> None:
    for guess in ("", "x", "\ud800", "a" * 100_000):
        with pytest.raises(UnknownPass):
            register.check(guess)


def test_a_register_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "register.db"
    file.write_text("no database")
    with pytest.raises(StorageUnavailable, match="cannot be used now: file is not a database"):
        Register(file)


def test_a_locked_register_is_a_sentence(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.hub.register._BUSY_SECONDS", 0.1)
    other = sqlite3.connect(tmp_path / "register.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageUnavailable, match="database is locked"):
        register.invite(None, 60.0, 1)
    other.close()


@pytest.mark.parametrize(
    ("span", "seconds"), [("90s", 90), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000)]
)
def test_a_time_is_read(span: str, seconds: int) -> None:
    assert seconds_of(span) == seconds


@pytest.mark.parametrize("span", ["", "30", "0m", "-1m", "91d", "1w", "30 m", "1e3s"])
def test_a_time_that_is_none_is_quoted(span: str) -> None:
    with pytest.raises(BadInput, match="is not a time that a pass can be valid"):
        seconds_of(span)


def test_lines_quote_the_pin_and_write_ipv6_as_urls_do() -> None:
    settings = HubSettings("fd00::2", 8642, 8883)
    assert curl_line(settings, PIN, "abc") == (
        "curl -sSk --pinnedpubkey 'sha256//AAAA=' https://[fd00::2]:8642/join/abc | sudo sh"
    )
    assert wget_line(settings, PIN, "abc") == (
        "wget -qO- --no-check-certificate --pinnedpubkey='sha256//AAAA=' "
        "https://[fd00::2]:8642/join/abc | sudo sh"
    )


def test_a_line_is_a_qr_code_that_fits_a_terminal() -> None:
    installed.module("segno")
    code = qr_text(curl_line(HubSettings("192.168.100.200", 8642), f"{PIN}{'A' * 40}", "a" * 22))
    assert code is not None
    lines = code.splitlines()
    assert len(lines) < 35
    assert any(block in code for block in "▀▄█")


def test_the_command_prints_lists_and_revokes(tmp_path: Path) -> None:
    installed.module("cryptography")
    folder = HubFolder(tmp_path / "hub")
    assert "there is no hub in" in collector("invite", "--dir", folder.path).stderr
    folder.path.mkdir()
    folder.keep(HubSettings("192.168.1.2"))
    certify(folder, ["192.168.1.2"])
    printed = collector("invite", "--dir", folder.path, "--name", "pi5-lab-01", "--for", "12h", "--uses", "2")
    made(printed.stdout.splitlines()[0].partition("/join/")[2].partition(" ")[0])
    assert "the hub does not run: start it with collector hub" in printed.stderr
    assert "on pi5-lab-01, 2 times, before" in printed.stderr
    (listed,) = json.loads(collector("invite", "--dir", folder.path, "--list", "--json").stdout)
    assert (listed["device"], listed["state"], listed["uses"]) == ("pi5-lab-01", "valid", 2)
    revoked = collector("invite", "--dir", folder.path, "--revoke", listed["pass"])
    assert revoked.stderr == f"the pass {listed['pass']} lets nobody in any more\n"
    assert Register(folder.register).passes()[0].state(time.time()) == "revoked"
    assert collector("invite", "--dir", folder.path, "--revoke", "nonsense").returncode == 1
    assert (
        "no device can be named collector"
        in collector("invite", "--dir", folder.path, "--name", "collector").stderr
    )
