"""A database is read where nothing can be written: in a read-only folder and on a read-only mount."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli import cli
from collector.errors import StorageUnavailable
from collector.store.database import Store
from collector.store.opening import open_store, open_store_to_read
from tests.faults.disks import SmallDisk, small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "16m") as made:
        yield made


def add(store: Store, name: str) -> None:
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO question_sets (sha256, name, added_at) VALUES (?, ?, '2026-01-01')", (name, name)
        )


def names(path: Path) -> list[str]:
    with open_store_to_read(path) as store:
        return [name for (name,) in store.tuples("SELECT name FROM question_sets ORDER BY name")]


def test_a_database_that_was_closed(disk: SmallDisk) -> None:
    with open_store(disk.folder / "results.db", create=True) as store:
        add(store, "one")
    assert not list(disk.folder.glob("*-wal"))
    disk.freeze()
    assert names(disk.folder / "results.db") == ["one"]
    assert names(disk.folder / "results.db") == ["one"], "reading leaves nothing behind"


@pytest.mark.parametrize("shared_memory", [False, True])
def test_a_database_with_a_log_that_was_not_merged(
    disk: SmallDisk, tmp_path: Path, shared_memory: bool
) -> None:
    """As a copy of a running collector's folder, or after a power cut: the newest rows are in the log."""
    live = tmp_path / "live.db"
    with open_store(live, create=True) as store:
        add(store, "one")
        store.value("PRAGMA wal_checkpoint(TRUNCATE)")
        add(store, "two")
        for ending in ("", "-wal", *(("-shm",) if shared_memory else ())):
            shutil.copy(f"{live}{ending}", disk.folder / f"results.db{ending}")
    disk.freeze()
    assert names(disk.folder / "results.db") == ["one", "two"]


def test_an_empty_log_is_no_log(disk: SmallDisk) -> None:
    open_store(disk.folder / "results.db", create=True).close()
    (disk.folder / "results.db-wal").touch()
    disk.freeze()
    assert names(disk.folder / "results.db") == []


def test_a_name_that_is_no_uri(disk: SmallDisk) -> None:
    open_store(disk.folder / "results ?50%#1.db", create=True).close()
    disk.freeze()
    assert names(disk.folder / "results ?50%#1.db") == []


@pytest.mark.parametrize(
    "command", [("runs",), ("devices",), ("rejected",), ("report",), ("query", "SELECT 1")]
)
def test_commands_that_only_read(disk: SmallDisk, command: tuple[str, ...]) -> None:
    open_store(disk.folder / "results.db", create=True).close()
    disk.freeze()
    result = CliRunner().invoke(cli, [*command, "--db", str(disk.folder / "results.db")])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert "cannot be used" not in result.output + result.stderr


def test_a_database_there_cannot_be_written(disk: SmallDisk) -> None:
    open_store(disk.folder / "results.db", create=True).close()
    disk.freeze()
    with pytest.raises(StorageUnavailable, match="Read-only file system"):
        open_store(disk.folder / "results.db")
