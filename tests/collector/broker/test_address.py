from pathlib import Path

import pytest

from collector.broker.address import Address, parse_address
from collector.errors import BadInput


@pytest.mark.parametrize(
    ("url", "expected", "shown"),
    [
        ("mqtt://pi.local", Address("pi.local", 1883), "mqtt://pi.local:1883"),
        ("mqtt://10.0.0.1:1884/", Address("10.0.0.1", 1884), "mqtt://10.0.0.1:1884"),
        ("mqtts://bench@[::1]", Address("::1", 8883, "bench", tls=True), "mqtts://[::1]:8883"),
    ],
)
def test_broker_urls(url: str, expected: Address, shown: str) -> None:
    assert parse_address(url) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    "url",
    ["", "pi.local", "http://pi", "mqtt://", "mqtt://pi:99999", "mqtt://pi/x", "mqtt://pi?x", "mqtt://[::"],
)
def test_what_is_no_broker_url_is_quoted(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_address(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("url", ["mqtt://u:canary@pi", "mqtt://u:canary@pi:x", "http://u:canary@[::"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_address(url)
    assert "canary" not in str(caught.value)


def test_a_password_comes_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("canary\n")
    path.chmod(0o600)
    address = parse_address("mqtt://bench@pi", path)
    assert address.password == b"canary"
    assert "canary" not in f"{address} {address!r}"
    with pytest.raises(BadInput, match="needs a user name"):
        parse_address("mqtt://pi", path)
    path.chmod(0o640)
    with pytest.raises(BadInput, match="may be read by others"):
        parse_address("mqtt://bench@pi", path)


def test_files_that_are_wrong_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        parse_address("mqtt://bench@pi", tmp_path / "none")
    empty = tmp_path / "empty"
    empty.touch(0o600)
    with pytest.raises(BadInput, match="holds no password"):
        parse_address("mqtt://bench@pi", empty)
    with pytest.raises(BadInput, match="needs an mqtts:// broker URL"):
        parse_address("mqtt://pi", ca_file=empty)
    with pytest.raises(BadInput, match="there is no CA file"):
        parse_address("mqtts://pi", ca_file=tmp_path / "none")
