"""A database is read where nothing can be written: in a read-only folder and on a read-only mount."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli import cli
from collector.errors import StorageUnavailable
from collector.store.database import Store


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which `freeze` makes read-only; root may write in any folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def freeze(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def add(store: Store, name: str) -> None:
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO question_sets (sha256, name, added_at) VALUES (?, ?, '2026-01-01')", (name, name)
        )


def names(path: Path) -> list[str]:
    with Store.open_to_read(path) as store:
        return [name for (name,) in store.tuples("SELECT name FROM question_sets ORDER BY name")]


def test_a_database_that_was_closed(disk: Path) -> None:
    with Store.open(disk / "results.db", create=True) as store:
        add(store, "one")
    assert not list(disk.glob("*-wal"))
    freeze(disk)
    assert names(disk / "results.db") == ["one"]
    assert names(disk / "results.db") == ["one"], "reading leaves nothing behind"


@pytest.mark.parametrize("shared_memory", [False, True])
def test_a_database_with_a_log_that_was_not_merged(disk: Path, tmp_path: Path, shared_memory: bool) -> None:
    """As a copy of a running collector's folder, or after a power cut: the newest rows are in the log."""
    live = tmp_path / "live.db"
    with Store.open(live, create=True) as store:
        add(store, "one")
        store.value("PRAGMA wal_checkpoint(TRUNCATE)")
        add(store, "two")
        for ending in ("", "-wal", *(("-shm",) if shared_memory else ())):
            shutil.copy(f"{live}{ending}", disk / f"results.db{ending}")
    freeze(disk)
    assert names(disk / "results.db") == ["one", "two"]


def test_an_empty_log_is_no_log(disk: Path) -> None:
    Store.open(disk / "results.db", create=True).close()
    (disk / "results.db-wal").touch()
    freeze(disk)
    assert names(disk / "results.db") == []


def test_a_name_that_is_no_uri(disk: Path) -> None:
    Store.open(disk / "results ?50%#1.db", create=True).close()
    freeze(disk)
    assert names(disk / "results ?50%#1.db") == []


@pytest.mark.parametrize(
    "command", [("runs",), ("devices",), ("rejected",), ("report",), ("query", "SELECT 1")]
)
def test_commands_that_only_read(disk: Path, command: tuple[str, ...]) -> None:
    Store.open(disk / "results.db", create=True).close()
    freeze(disk)
    result = CliRunner().invoke(cli, [*command, "--db", str(disk / "results.db")])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert "cannot be used" not in result.output + result.stderr


def test_a_database_there_cannot_be_written(disk: Path) -> None:
    Store.open(disk / "results.db", create=True).close()
    freeze(disk)
    with pytest.raises(StorageUnavailable, match="Read-only file system"):
        Store.open(disk / "results.db")
