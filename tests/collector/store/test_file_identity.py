"""A database that is open stays the file at its path, or nothing more is written."""

from pathlib import Path

import pytest

from collector.errors import BadInput, DatabaseMoved
from collector.store.database import Store


def write(store: Store) -> None:
    with store.writing() as conn:
        conn.execute("INSERT INTO pruned VALUES (hex(randomblob(8)), 'now')")


def test_other_processes_and_checkpoints_leave_it_the_same_file(database: Path) -> None:
    with Store.open(database, create=True) as store:
        write(store)
        with Store.open(database) as second:
            write(second)
        store._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        write(store)


def test_a_link_to_another_database_is_noticed(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    Store.open(database, create=True).close()
    Store.open(tmp_path / "other.db", create=True).close()
    link.symlink_to(database)
    with Store.open(link) as store:
        write(store)
        assert store.path == database
        link.unlink()
        link.symlink_to(tmp_path / "other.db")
        with pytest.raises(DatabaseMoved, match=r"link.db' was replaced by another file"):
            write(store)


def test_a_link_that_leads_to_itself_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "loop.db").symlink_to("loop.db")
    for create in (False, True):
        with pytest.raises(BadInput, match="there is no database"):
            Store.open(tmp_path / "loop.db", create=create)
