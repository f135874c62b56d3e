from pathlib import Path

import pytest

from agent.delivery.broker_address import Secret, parse_broker
from agent.errors import BadInput
from tests.agent.conftest import Agent
from tests.canary import CANARY, may_hold


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user"),
    [
        ("mqtt://broker", "broker", 1883, False, None),
        ("mqtt://pi@10.0.0.7:1884", "10.0.0.7", 1884, False, "pi"),
        ("mqtts://broker.example.org/", "broker.example.org", 8883, True, None),
        ("mqtts://a%40b@[::1]:9", "::1", 9, True, "a@b"),
    ],
)
def test_addresses(url: str, host: str, port: int, tls: bool, user: str | None) -> None:
    broker = parse_broker(url)
    assert (broker.host, broker.port, broker.tls, broker.user) == (host, port, tls, user)


@pytest.mark.parametrize(
    "url",
    [
        *("broker", "http://broker", "mqtt://", "mqtt://:1883", "mqtt://host:port", "mqtt://host:70000"),
        *("mqtt://host/path", "mqtt://host?x", "mqtt://ho st", "", "mqtt://[::1", "mqtt://\x1b[31mhost"),
    ],
)
def test_what_is_no_address_is_quoted(url: str) -> None:
    with pytest.raises(BadInput, match=r"is not a broker: write mqtt://") as told:
        parse_broker(url)
    assert str(told.value).isprintable()


@pytest.mark.parametrize(
    "url", [f"mqtt://pi:{CANARY}@host", f"mqtt://pi:{CANARY}@host:x", f"x://:{CANARY}@h"]
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str, agent: Agent) -> None:
    ended = agent("flush", "--broker", url)
    assert ended.returncode == 1
    assert "--password-file" in ended.stderr
    assert CANARY not in ended.stderr + ended.stdout


def test_a_password_comes_from_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{CANARY}\n")
    file.chmod(0o600)
    broker = parse_broker("mqtts://pi@host", file)
    assert broker.password is not None and broker.password.reveal() == CANARY
    assert CANARY not in f"{broker} {broker!r} {broker.password}"

    may_hold(file).chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        parse_broker("mqtts://pi@host", file)


def test_a_secret_does_not_show() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {secret!s:>20} {[secret]}"
    assert secret.reveal() == CANARY


def test_what_does_not_go_together_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o600)
    with pytest.raises(BadInput, match="is empty"):
        parse_broker("mqtt://pi@host", file)
    with pytest.raises(BadInput, match="needs TLS"):
        parse_broker("mqtt://host", ca_file=file)
    with pytest.raises(BadInput, match="no file of certificates"):
        parse_broker("mqtts://host", ca_file=tmp_path / "missing")
    with pytest.raises(BadInput, match="cannot read the password file"):
        parse_broker("mqtt://pi@host", tmp_path / "missing")
    file.write_text("secret")
    with pytest.raises(BadInput, match="needs a user name"):
        parse_broker("mqtt://host", file)
