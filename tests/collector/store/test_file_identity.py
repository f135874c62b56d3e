"""A database that is open stays the file at its path, or nothing more is written."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from collector.errors import BadInput, DatabaseMoved
from collector.store.database import Store
from collector.store.opening import open_store
from collector.store.sqlite.sqlite_store import SqliteStore


def write(store: Store) -> None:
    with store.writing() as conn:
        conn.execute("INSERT INTO pruned VALUES (hex(randomblob(8)), 'now')")


def test_other_processes_and_checkpoints_leave_it_the_same_file(database: Path) -> None:
    with open_store(database, create=True) as store:
        write(store)
        with open_store(database) as second:
            write(second)
        assert isinstance(store, SqliteStore)
        store._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        write(store)


def test_a_link_to_another_database_is_noticed(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    open_store(database, create=True).close()
    open_store(tmp_path / "other.db", create=True).close()
    link.symlink_to(database)
    with open_store(link) as store:
        write(store)
        assert store.name == str(database)
        link.unlink()
        link.symlink_to(tmp_path / "other.db")
        with pytest.raises(DatabaseMoved, match=r"link.db' was replaced by another file"):
            write(store)


def test_a_link_that_leads_to_itself_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "loop.db").symlink_to("loop.db")
    for create in (False, True):
        with pytest.raises(BadInput, match="there is no database"):
            open_store(tmp_path / "loop.db", create=create)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_file_that_is_replaced_while_it_is_opened_is_not_used(
    database: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Results would go into a file without a name, and be acknowledged."""
    open_store(database, create=True).close()
    backup = database.with_name("backup.db")
    shutil.copy(database, backup)
    opened = sqlite3.connect

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        writes = isinstance(arguments[0], Path)  # what only reads is given a URI
        if writes and moment == "before":
            backup.replace(database)
        conn: sqlite3.Connection = opened(*arguments, **options)
        if writes and moment == "after":
            conn.execute("PRAGMA schema_version").fetchone()
            backup.replace(database)
        return conn

    monkeypatch.setattr("collector.store.sqlite.sqlite_store.sqlite3.connect", connect)
    with pytest.raises(DatabaseMoved, match="was moved or replaced"):
        open_store(database)
    monkeypatch.undo()
    open_store(database).close()
