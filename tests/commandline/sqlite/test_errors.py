import sqlite3
from contextlib import closing

import pytest

from commandline.sqlite.errors import primary_code


def test_an_extended_code_is_reduced_to_its_kind() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE one (name TEXT UNIQUE)")
        db.execute("INSERT INTO one VALUES ('a')")
        with pytest.raises(sqlite3.IntegrityError) as caught:
            db.execute("INSERT INTO one VALUES ('a')")
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    assert primary_code(caught.value) == sqlite3.SQLITE_CONSTRAINT


def test_an_error_of_pythons_own_module_counts_as_a_plain_error() -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(sqlite3.OperationalError) as caught:
        db.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()
    assert not hasattr(caught.value, "sqlite_errorcode")
    assert primary_code(caught.value) == sqlite3.SQLITE_ERROR
