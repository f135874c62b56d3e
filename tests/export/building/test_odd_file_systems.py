"""Bundles are built on network shares too: without synced folders, without locks, without exchanges."""

import errno
import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from contract.bundle import MANIFEST_FILE
from export.building.bundle import seal, workshop
from tests.contract.examples import MANIFEST


def refuse(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise refuse(code)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with workshop(tmp_path / "bundles") as folder:
        (folder / "draft").mkdir()
        seal(folder / "draft", MANIFEST, tmp_path / "bundles" / "new")
    assert (tmp_path / "bundles/new" / MANIFEST_FILE).is_file()


def test_a_file_that_cannot_be_synced_is_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise refuse(errno.EIO)

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "draft").mkdir()
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        seal(tmp_path / "draft", MANIFEST, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EBADF])
def test_without_locks_no_build_removes_the_workshop_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise refuse(code)

    monkeypatch.setattr(fcntl, "flock", flock)
    with workshop(tmp_path) as first, workshop(tmp_path) as second:
        assert first.is_dir() and second.is_dir()
    assert not first.exists() and not second.exists()


def test_no_build_makes_a_workshop_while_another_sweeps(tmp_path: Path) -> None:
    """Between its making and its locking, a workshop looks like that of a killed build."""
    made: list[bool] = []

    def build() -> None:
        with workshop(tmp_path) as folder:
            made.append(folder.is_dir())

    sweeping = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(sweeping, fcntl.LOCK_EX)
    other = threading.Thread(target=build)
    other.start()
    try:
        other.join(0.5)
        assert other.is_alive() and not list(tmp_path.iterdir())
    finally:
        os.close(sweeping)
        other.join(60)
    assert made == [True]
