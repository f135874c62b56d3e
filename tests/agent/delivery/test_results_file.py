"""The results file: one writer at a time, and never anything but a plain file."""

import fcntl
import gzip
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.delivery import results_file
from agent.delivery.results_file import check_target, extend
from agent.errors import BadInput, NotDelivered
from agent.outbox.outbox import Outbox
from contract.messages import Batch, decode_message, encode_message
from tests.agent.conftest import SAMPLE_QUESTIONS, agent_command, agent_environment
from tests.agent.records import RUN_A, RUN_B, begin, fill

ONE, TWO, THREE = (encode_message(Batch(device_id="pi-5", run_id=digit * 32, records=())) for digit in "123")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_messages_are_appended_to_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    extend(path, [ONE])
    extend(path, [TWO, THREE])
    assert path.read_bytes() == ONE + b"\n" + TWO + b"\n" + THREE + b"\n"
    assert mode(path) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["results.jsonl"], "no draft is left"


def test_f37_writers_of_one_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    writers, times = 4, 15
    together = threading.Barrier(writers)
    extend(path, [ONE])

    def write(writer: int) -> None:
        together.wait()
        for number in range(times):
            extend(path, [f"{writer} {number} {part}".encode() for part in range(20)])

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    first, *lines = path.read_bytes().splitlines()
    assert first == ONE and len(lines) == len(set(lines)) == writers * times * 20
    assert [each.name for each in tmp_path.iterdir()] == ["results.jsonl"]


def test_f39_a_lock_that_is_never_released_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results_file, "LOCK_SECONDS", 0.2)
    path = tmp_path / "results.jsonl"
    path.write_bytes(ONE + b"\n")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NotDelivered, match=r"the file is locked by process \d+.*kept in the outbox"):
            extend(path, [TWO])
    assert path.read_bytes() == ONE + b"\n"
    extend(path, [TWO])
    assert path.read_bytes() == ONE + b"\n" + TWO + b"\n"


def test_a_link_is_followed_and_a_mode_is_kept(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "all.jsonl", tmp_path / "results.jsonl"
    link.symlink_to(target)
    extend(link, [ONE])
    target.chmod(0o640)
    extend(link, [TWO])
    assert link.is_symlink() and target.read_bytes() == ONE + b"\n" + TWO + b"\n"
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
    why = r"not a plain file|Is a directory|symbolic links"
    with pytest.raises(BadInput, match=why):
        check_target(path)
    with pytest.raises(NotDelivered, match=why):
        extend(path, [ONE])
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


@pytest.mark.parametrize(
    "content",
    [
        SAMPLE_QUESTIONS.read_bytes(),
        b"root:x:0:0:root:/root:/bin/bash\n",
        gzip.compress(ONE + b"\n"),
        b"SQLite format 3\0" + bytes(100),
    ],
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """Such as the question file, if its name was given twice."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(content)
    with pytest.raises(NotDelivered, match="name another file; they are kept in the outbox"):
        extend(path, [ONE])
    with pytest.raises(BadInput, match="it is not a results file: name another file"):
        check_target(path)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["results.jsonl"]


@pytest.mark.parametrize(
    ("content", "after"),
    [
        (ONE, ONE + b"\n" + TWO + b"\n"),
        (b"\xef\xbb\xbf" + ONE + b"\r\n", b"\xef\xbb\xbf" + ONE + b"\r\n" + TWO + b"\n"),
        (b'{"format_version":99,"type":"batch"}\n', b'{"format_version":99,"type":"batch"}\n' + TWO + b"\n"),
        (b"\n", b"\n" + TWO + b"\n"),
    ],
)
def test_what_an_editor_or_a_later_version_left_is_a_results_file(
    tmp_path: Path, content: bytes, after: bytes
) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(content)
    check_target(path)
    extend(path, [TWO])
    assert path.read_bytes() == after


def test_f37_two_agents_that_flush_into_one_file_lose_nothing(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    flushing = []
    for name, run_id in (("a", RUN_A), ("b", RUN_B)):
        (tmp_path / name).mkdir()
        with Outbox(tmp_path / name / "outbox.db") as outbox:
            fill(outbox, begin(outbox, run_id), 400)
        command = agent_command("flush", "--to-file", out, "--device-id", "device")
        environment = agent_environment(tmp_path / name)
        flushing.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in flushing:
        _, said = process.communicate(timeout=150)
        assert (process.returncode, said) == (0, "400 results delivered\n")
    found: dict[str, list[int]] = {RUN_A: [], RUN_B: []}
    for line in out.read_bytes().splitlines():
        message = decode_message(line)
        assert isinstance(message, Batch)
        found[message.run_id] += [record.seq for record in message.records]
    assert found == {RUN_A: list(range(400)), RUN_B: list(range(400))}
