"""Results files: streamed, and refused as a whole if they are something else."""

import gzip
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from collector.errors import BadInput
from collector.intake import results_file
from collector.intake.incoming import Delivery
from collector.intake.ingest import Ingested, ingest
from collector.intake.results_file import ingest_file
from collector.store.database import Store
from contract.codec import encode
from contract.messages import MAX_MESSAGE_BYTES, Receipt
from tests.collector.command import ROOT, invoked
from tests.collector.factory import batch, run_records

MESSAGE = encode(batch(run_records(), "a" * 32))
OTHER = encode(batch(run_records(), "b" * 32))


def rejected(store: Store) -> int:
    return int(store.value("SELECT count(*) FROM rejected"))


def test_a_line_that_is_too_long_is_rejected_and_the_others_are_stored(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(MESSAGE + b"\n" + b"x" * (3 * MAX_MESSAGE_BYTES) + b"\n" + OTHER)
    counts = ingest_file(store, path)
    assert (counts.stored, counts.rejected) == (14, 1)
    sources = [source for (source,) in store.tuples("SELECT source FROM rejected")]
    assert sources == ["results.jsonl:2"]


def test_a_line_may_be_as_long_as_a_message(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(MESSAGE[:-1] + b" " * (MAX_MESSAGE_BYTES - len(MESSAGE)) + b"}\n" + OTHER + b"\n")
    assert ingest_file(store, path).stored == 14


def test_f38_memory_does_not_grow_with_the_lines(database: Path, tmp_path: Path) -> None:
    """400 MB in eight lines, with 300 MB of address space above what the program needs."""
    path = tmp_path / "results.jsonl"
    with path.open("wb") as file:
        file.write(MESSAGE + b"\n")
        for _ in range(8):
            file.seek(50_000_000, os.SEEK_CUR)
            file.write(b"\n")
    program = f"""
import resource
from pathlib import Path
from collector.intake.results_file import ingest_file
from collector.store.database import Store
from collector.store.opening import open_store
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * {resource.getpagesize()} + 300_000_000,) * 2)
with open_store(Path({str(database)!r}), create=True) as store:
    counts = ingest_file(store, Path({str(path)!r}))
    print(counts.stored, counts.rejected)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("7 8\n", 0), done.stderr


@pytest.mark.parametrize(
    "content",
    [b"root:x:0:0:root:/root:/bin/bash\n" * 300, os.urandom(100_000), b'{"data": []}\n', b"\0" * 1000],
)
def test_what_is_no_results_file_is_refused_and_not_kept(
    store: Store, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "passwd"
    path.write_bytes(content)
    with pytest.raises(
        BadInput, match=r"passwd' is not a results file: none of its first lines is a batch of results"
    ):
        ingest_file(store, path)
    assert rejected(store) == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it holds no result"),
        (b"\n \n", "it holds no result"),
        (b"\xef\xbb\xbf", "it holds no result"),
        (gzip.compress(b"\n"), "it holds no result"),
        (MESSAGE[:-40], "line 1, the last one, is cut off: copy the file again"),
        (
            gzip.compress(MESSAGE)[:60],
            "its gzip data is damaged or cut off after line 0: copy the file again",
        ),
        (b'{"records":' + b"[" * 100_000, "none of its first lines is a batch"),
        (encode(Receipt(device_id="d", collector_id="c", streams=())), "none of its first lines is a batch"),
        (MESSAGE.decode().encode("utf-16"), "it is UTF-16 text: save it as UTF-8"),
        (b"PK\x03\x04" + b"x" * 100, "it is a ZIP archive: unpack it"),
        (b"SQLite format 3\0" + b"\0" * 100, "it is an SQLite database"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a Git LFS pointer"),
    ],
)
def test_a_file_without_a_result_is_no_results_file_and_makes_no_database(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path, database = tmp_path / "results.jsonl", tmp_path / "new" / "results.db"
    database.parent.mkdir()
    path.write_bytes(content)
    done = invoked("ingest", path, "--db", database)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{str(path)!r} is not a results file: {why}" in done.stderr
    assert list(database.parent.iterdir()) == []


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(MESSAGE + b"\n" + OTHER + b"\n"),
        gzip.compress(MESSAGE + b"\n") + gzip.compress(OTHER),
        b"\xef\xbb\xbf" + MESSAGE + b"\r\n" + OTHER,
        gzip.compress(b"\xef\xbb\xbf" + MESSAGE + b"\n" + OTHER),
    ],
)
def test_compression_and_a_byte_order_mark_cost_nothing(store: Store, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "results"
    path.write_bytes(data)
    counts = ingest_file(store, path)
    assert (counts.stored, counts.rejected, counts.complete) == (14, 0, True)


@pytest.mark.parametrize(
    ("data", "stored", "said"),
    [
        (MESSAGE + b"\n" + OTHER[:-1], 7, "line 2, the last one, is cut off"),
        (MESSAGE + b"\n" + OTHER[:20], 7, "line 2, the last one, is cut off"),
        (gzip.compress(MESSAGE + b"\n" + OTHER[:-9]), 7, "line 2, the last one, is cut off"),
        (
            gzip.compress(MESSAGE + b"\n" + OTHER + b"\n")[:-8],
            14,
            "gzip data is damaged or cut off after line 2",
        ),
    ],
)
def test_a_cut_end_is_reported_and_what_is_before_it_is_stored(
    store: Store, tmp_path: Path, data: bytes, stored: int, said: str
) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(data)
    counts = ingest_file(store, path)
    assert (counts.stored, counts.rejected, counts.complete) == (stored, 0, False)
    assert counts.cut_off is not None and said in counts.cut_off
    assert rejected(store) == 0


def test_what_is_not_stored_is_told_by_the_status(tmp_path: Path, database: Path) -> None:
    """A script `collector ingest f && rm f` must not lose results."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(MESSAGE + b'\n{"type": "batch"}\n' + OTHER[:100])
    done = invoked("ingest", path, "--db", database)
    assert (done.returncode, done.stdout) == (
        1,
        f"{path}: 7 records stored, 0 known before, 1 message rejected\n",
    )
    why, cut = done.stderr.splitlines()
    assert why == f"{path}: collector rejected --db {database} prints why 1 message was rejected"
    assert cut == f"{path}: line 3, the last one, is cut off: copy the file again"
    path.write_bytes(MESSAGE + b"\n" + OTHER)
    done = invoked("ingest", path, "--db", database)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_is_read_and_one_without_a_writer_does_not_hang(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(BadInput, match="it holds no result"):
        ingest_file(store, path)
    reading, writing = os.pipe()
    os.write(writing, MESSAGE + b"\n")
    os.close(writing)
    assert ingest_file(store, Path(f"/dev/fd/{reading}")).stored == 7
    os.close(reading)


@pytest.mark.parametrize("path", ["/dev/urandom", "/dev/zero", "/tmp"])
def test_devices_and_folders_are_refused(store: Store, path: str) -> None:
    with pytest.raises(BadInput, match="is neither a file nor a pipe"):
        ingest_file(store, Path(path))


def test_a_group_is_bounded_in_bytes(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []

    def counted(store: Store, group: Sequence[Delivery]) -> Ingested:
        groups.append(len(group))
        return ingest(store, group)

    monkeypatch.setattr(results_file, "BYTES_AT_ONCE", 2 * len(MESSAGE))
    monkeypatch.setattr(results_file, "ingest", counted)
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"\n".join([MESSAGE] * 5))
    counts = ingest_file(store, path)
    assert (counts.stored, counts.duplicates, groups) == (7, 28, [2, 2, 1])
