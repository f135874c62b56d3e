"""The device's id in the state folder, and what happens if its file is damaged."""

import stat
from pathlib import Path

import pytest

from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import StateFolder
from tests.agent.records import RUN_A


def test_an_id_is_made_once_and_is_private(tmp_path: Path) -> None:
    own_id = StateFolder(tmp_path).device_id(None)
    assert StateFolder(tmp_path).device_id(None, pytest.fail) == own_id
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_id_of_an_earlier_version_is_kept(tmp_path: Path) -> None:
    (tmp_path / "device-id").write_text("pi-5-abc123\n")
    assert StateFolder(tmp_path).device_id(None, pytest.fail) == "pi-5-abc123"


@pytest.mark.parametrize(
    "damage", [b"", b"\xff\xfex", b"pi-5", b"pi-4\ncrc32 2d2ce5dd\n", b"pi-5acrc32 12345678\n"]
)
def test_a_damaged_id_is_moved_aside(tmp_path: Path, damage: bytes) -> None:
    """As after a power cut, which leaves a name without its content."""
    said: list[str] = []
    (tmp_path / "device-id").write_bytes(damage)
    own_id = StateFolder(tmp_path).device_id(None, said.append)
    (aside,) = tmp_path.glob("device-id.damaged-*")
    assert aside.read_bytes() == damage
    assert said == [
        f"the device's id was damaged and moved to '{aside}': the id is '{own_id}' now; to choose another "
        "one, use --device-id"
    ]
    assert StateFolder(tmp_path).device_id(None, pytest.fail) == own_id


def test_a_damaged_id_becomes_that_of_the_results_that_wait(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.begin(RUN_A, "pi-5-abc123", "x")
    (tmp_path / "device-id").touch()
    said: list[str] = []
    assert StateFolder(tmp_path).device_id(None, said.append) == "pi-5-abc123"
    assert said[0].endswith("the id is 'pi-5-abc123' now, as in the outbox")
