import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from commandline import mqtt_client
from commandline.mqtt_client import TakeoverPatience, addresses, client_id, kept_secret, without_properties
from tests.one_name import NAME, one_name

TOPIC = b"distilbench/1/pi-5/results"


def packet(properties: bytes, payload: bytes, *, qos: int) -> bytes:
    number = b"\x00\x07" if qos else b""
    return len(TOPIC).to_bytes(2, "big") + TOPIC + number + properties + payload


def test_the_addresses_of_a_name_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [("::1", 1), ("127.0.0.1", 2), ("127.0.0.2", 3), ("127.0.0.1", 2)]
    one_name(monkeypatch, places)
    found = {tuple(addresses(NAME, 1883)) for _ in range(50)}
    assert found == {tuple(places[:3]), (places[0], places[2], places[1])}
    assert addresses("127.0.0.1", 1883) == [("127.0.0.1", 1883)]


def test_names_of_clients_have_no_dots_and_differ_as_ids_do() -> None:
    """NATS refuses dots."""
    names = [client_id(f"agent-{device}", "0f") for device in ("pi.5", "pi-5", "pi_5", "p.i5")]
    assert names[0] == "distilbench-agent-pi~5-0f"
    assert len(set(names)) == 4


@pytest.mark.parametrize("qos", [0, 1, 2])
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=8), payload=st.binary())
def test_properties_are_removed_whatever_they_are(qos: int, texts: list[str], payload: bytes) -> None:
    written = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    written.UserProperty = [("name", text) for text in texts]
    data = packet(written.pack(), payload, qos=qos)  # type: ignore[no-untyped-call]
    assert without_properties(0x30 | qos << 1, bytearray(data)) == packet(b"\0", payload, qos=qos)


@given(data=st.binary(max_size=30), command=st.sampled_from((0x30, 0x32, 0x3D)))
def test_no_bytes_are_an_error(data: bytes, command: int) -> None:
    without_properties(command, bytearray(data))


def test_a_packet_that_breaks_off_stays_for_paho_to_refuse() -> None:
    for properties in (b"\x05ab", b"\xff\xff\xff\xff\x01", b"\x80"):
        data = packet(properties, b"", qos=1)
        assert without_properties(0x32, bytearray(data)) == data


def test_a_secret_is_kept_in_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "client-secret"
    found = kept_secret(file)
    assert len(found) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept_secret(file) == found
    assert kept_secret(tmp_path / "another") != found


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"abc"])
def test_a_damaged_secret_is_replaced(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "client-secret"
    file.write_bytes(damage)
    assert kept_secret(file) == kept_secret(file)


def test_a_secret_that_cannot_be_kept_is_new_each_time(tmp_path: Path) -> None:
    for file in (tmp_path / "no folder" / "x", tmp_path):
        assert kept_secret(file) != kept_secret(file)
    os.mkfifo(tmp_path / "pipe")
    assert kept_secret(tmp_path / "pipe")
    target = tmp_path / "of-another"
    (tmp_path / "link").symlink_to(target)
    assert kept_secret(tmp_path / "link")
    assert not target.exists()


def test_patience_grows_but_not_for_ever_and_ends_with_calm() -> None:
    patience = TakeoverPatience()
    waits = [patience.after(1.0) for _ in range(9)]
    assert waits[:4] == [5.0, 10.0, 20.0, 40.0]
    assert waits[-1] == mqtt_client.MOST_TAKEOVER_SECONDS
    assert patience.after(10_000.0) == 5.0
