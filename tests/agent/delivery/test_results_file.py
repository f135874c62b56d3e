"""The results file: one writer at a time, and never anything but a plain file."""

import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.delivery import results_file
from agent.delivery.results_file import extend
from agent.errors import NotDelivered


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_messages_are_appended_to_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    extend(path, [b"one"])
    extend(path, [b"two", b"three"])
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert mode(path) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["results.jsonl"], "no draft is left"


def test_f37_writers_of_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    writers, times = 4, 15
    together = threading.Barrier(writers)

    def write(writer: int) -> None:
        together.wait()
        for number in range(times):
            extend(path, [f"{writer} {number} {part}".encode() for part in range(20)])

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    lines = path.read_bytes().splitlines()
    assert len(lines) == len(set(lines)) == writers * times * 20
    assert [each.name for each in tmp_path.iterdir()] == ["results.jsonl"]


def test_f39_a_lock_that_is_never_released_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_file, "LOCK_SECONDS", 0.2)
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"old\n")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NotDelivered, match=r"the file is locked by process \d+.*kept in the outbox"):
            extend(path, [b"new"])
    assert path.read_bytes() == b"old\n"
    extend(path, [b"new"])
    assert path.read_bytes() == b"old\nnew\n"


def test_a_link_is_followed_and_a_mode_is_kept(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "all.jsonl", tmp_path / "results.jsonl"
    link.symlink_to(target)
    extend(link, [b"one"])
    target.chmod(0o640)
    extend(link, [b"two"])
    assert link.is_symlink() and target.read_bytes() == b"one\ntwo\n"
    assert mode(target) == 0o640


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "results.jsonl"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/null")
        case "loop":
            path.symlink_to(path)
    before = path.lstat()
    with pytest.raises(NotDelivered, match=r"not a plain file|Is a directory|symbolic links"):
        extend(path, [b"one"])
    assert os.path.samestat(before, path.lstat())
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"one"
        raise OSError(5, "Input/output error")

    path = tmp_path / "results.jsonl"
    with pytest.raises(NotDelivered, match="Input/output error"):
        extend(path, breaking())
    assert not list(tmp_path.iterdir()), "the file was made for nothing"
    path.touch()
    with pytest.raises(NotDelivered):
        extend(path, breaking())
    assert path.read_bytes() == b"" and len(list(tmp_path.iterdir())) == 1, "this one was there before"
