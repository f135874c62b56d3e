"""State folders on file systems without locks, and on those that cannot be written."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from agent.errors import StateUnusable
from agent.outbox.folder_lock import locked
from agent.outbox.outbox import Outbox
from agent.outbox.summary import summarise
from tests.faults.disks import small_disk


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(StateUnusable, match=f"{os.strerror(code)}: name a folder on a disk of this machine"),
        locked(tmp_path),
    ):
        raise AssertionError("it is not locked")


def test_an_outbox_is_shown_where_nothing_can_be_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        with Outbox(disk.folder / "outbox.db"):
            pass
        disk.freeze()
        assert summarise(disk.folder / "outbox.db").pending == 0
