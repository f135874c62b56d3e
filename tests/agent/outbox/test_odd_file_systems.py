"""A state folder on a file system without locks is refused, since two agents would spoil one outbox."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from agent.errors import StateUnusable
from agent.outbox.state_folder import StateFolder


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(StateUnusable, match=f"{os.strerror(code)}: name a folder on a disk of this machine"),
        StateFolder(tmp_path).locked(),
    ):
        raise AssertionError("it is not locked")
