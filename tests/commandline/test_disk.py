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
from commandline.disk import open_plain, put_in_place, replacing, sync_seconds, write_whole


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


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    write_whole(link, b"new")
    assert link.is_symlink() and stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o664)
    before = file.stat().st_ino
    write_whole(link, b"newer")
    assert file.read_bytes() == b"newer" and stat.S_IMODE(file.stat().st_mode) == 0o664
    assert file.stat().st_ino != before, "a reader of the old one still has the whole"
    with replacing(file, denied=0o007) as opened:
        opened.write(b"newest")
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    with pytest.raises(ZeroDivisionError), replacing(file) as opened:
        opened.write(bytes([1 // 0]))
    assert file.read_bytes() == b"newest" and len(list(tmp_path.iterdir())) == 2


def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut leaves an empty file under the name."""
    file = tmp_path / "file"
    done: list[str] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        done.append(f"{kind} synced, {'under its name' if file.exists() else 'without a name'}")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(file, b"content")
    assert done == ["file synced, without a name", "folder synced, under its name"]


def test_a_database_is_not_replaced(tmp_path: Path) -> None:
    """As with `collector report --to results.db`."""
    database = tmp_path / "results.db"
    content = b"SQLite format 3\0" + bytes(84)
    database.write_bytes(content)
    with pytest.raises(OSError, match="it is a database, which is not replaced: name another file"):
        write_whole(database, b"report")
    assert database.read_bytes() == content and len(list(tmp_path.iterdir())) == 1


def test_only_a_plain_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "folder", "null"):
        with pytest.raises(OSError, match="not a plain file"):
            write_whole(tmp_path / name, b"")
    assert len(list(tmp_path.iterdir())) == 3


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
    theirs = folder(tmp_path / ".place.old", "a user's")
    put_in_place(draft, place)
    assert (theirs / "file").read_text() == "a user's"
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
