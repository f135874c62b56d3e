"""The state folder: the device's id, and what happens if its files are damaged, moved or deleted."""

import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.delivery.destination import write_waiting
from agent.errors import StateUnusable
from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import StateFolder, opened_state
from tests.agent.records import RUN_A, begin, fill


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


def move(outbox: Path) -> None:
    outbox.rename(outbox.with_name("moved.db"))


def replace(outbox: Path) -> None:
    copy = shutil.copy(outbox, outbox.with_name("copy.db"))
    Path(copy).replace(outbox)


def delete_log(outbox: Path) -> None:
    outbox.with_name(f"{outbox.name}-wal").unlink()


@pytest.mark.parametrize("blow", [Path.unlink, move, replace, delete_log])
def test_f35_results_in_an_outbox_that_is_not_at_its_path_are_named_as_lost(
    tmp_path: Path, blow: Callable[[Path], None]
) -> None:
    """It stays open, so they can be delivered until the command ends, and not later."""
    lost = "was moved, deleted or replaced while it was in use: 3 results that were not delivered are lost"
    with pytest.raises(StateUnusable, match=lost), measured_under(tmp_path, blow):
        pass
    for file in tmp_path.glob("*.db*"):
        file.unlink()
    with measured_under(tmp_path, blow) as outbox:
        assert write_waiting(tmp_path / "results.jsonl", outbox) == 3


@contextmanager
def measured_under(folder: Path, blow: Callable[[Path], None]) -> Iterator[Outbox]:
    """An outbox with results, whose file was moved away meanwhile."""
    with opened_state(folder, "pi-5", pytest.fail) as state:
        fill(state.outbox, begin(state.outbox, RUN_A, "pi-5"), 3)
        assert state.outbox.missing is None
        blow(folder / "outbox.db")
        yield state.outbox
