import ctypes
import errno
import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from commandline import disk
from commandline.clock import utc_now
from commandline.disk import open_plain, put_in_place, sync_seconds


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_a_sync_is_timed_and_leaves_nothing(tmp_path: Path) -> None:
    assert 0 < sync_seconds(tmp_path) < 60
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        sync_seconds(tmp_path / "gone")


def test_only_a_plain_file_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    descriptor = open_plain(file)
    assert os.read(descriptor, 100) == b"content"
    assert stat.S_ISREG(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    (tmp_path / "link").symlink_to(file)
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("link", os.strerror(errno.ELOOP)), ("pipe", "not a plain"), (".", "not a plain")):
        with pytest.raises(OSError, match=reason):
            open_plain(tmp_path / name)


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_another(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system cannot exchange folders as well."""
    if not exchanges:
        monkeypatch.setattr(disk, "_exchanged", lambda draft, place: False)
    draft, place = folder(tmp_path / "draft", "new"), tmp_path / "place"
    put_in_place(draft, place)
    assert not draft.exists() and (place / "file").read_text() == "new"
    folder(draft, "newer")
    folder(tmp_path / ".place.old", "left by a crash")
    put_in_place(draft, place)
    assert (place / "file").read_text() == "newer"
    assert (draft / "file").read_text() == "new"


@pytest.mark.parametrize("library", [SimpleNamespace(renameat2=lambda *_: -1), SimpleNamespace()])
def test_folders_are_exchanged_in_steps_on_nfs_and_with_an_old_c_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: object
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    draft, place = folder(tmp_path / "draft", "new"), folder(tmp_path / "place", "old")
    put_in_place(draft, place)
    assert ((place / "file").read_text(), (draft / "file").read_text()) == ("new", "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft", "place"]


def test_the_time_is_written_with_all_its_digits() -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", utc_now())
