import errno
import fcntl
import hashlib
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from collector.errors import BadInput, NotADatabase, StorageUnavailable
from collector.store.database import Store
from collector.store.opening import open_store, open_store_to_read
from collector.store.schema import describe
from collector.store.sqlite.migrations import MIGRATIONS, schema_at

ROOT = Path(__file__).parent.parents[2]
FINDINGS_STEP = 15
"""The version from which on findings have a table with ROWID."""


def test_a_new_database_says_what_it_is_and_keeps_its_name(database: Path) -> None:
    with open_store(database, create=True) as store:
        name = store.collector_id
        assert store.value("PRAGMA application_id") == 0x64627231
        assert store.value("PRAGMA user_version") == len(MIGRATIONS)
        assert store.value("PRAGMA journal_mode") == "wal"
        assert store.value("PRAGMA synchronous") == 2
    with open_store(database) as store:
        assert store.collector_id == name


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_is_refused(
    database: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StorageUnavailable, match=f"{os.strerror(code)}: keep the database on a disk of this"):
        open_store(database, create=True)


def test_nothing_is_created_unless_asked(database: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no database '.*results\.db'"):
        open_store(database)
    with pytest.raises(BadInput, match="there is no database"):
        open_store_to_read(database)
    assert not database.exists()


@pytest.mark.parametrize(
    "content", [b"plain text, longer than a header " * 9, b"SQLite format 3\0" + bytes(84)]
)
def test_a_file_that_is_not_ours_is_left_alone(database: Path, content: bytes) -> None:
    database.write_bytes(content)
    with pytest.raises(NotADatabase, match="is not a distilbench database"):
        open_store(database, create=True)
    with pytest.raises(NotADatabase, match="is not a distilbench database"):
        open_store_to_read(database)
    assert database.read_bytes() == content


def test_a_foreign_sqlite_file_is_left_alone(database: Path) -> None:
    conn = sqlite3.connect(database)
    conn.execute("CREATE TABLE t (x)")
    conn.close()
    with pytest.raises(NotADatabase):
        open_store(database, create=True)


def test_an_empty_file_becomes_a_database_only_when_one_may_be_made(database: Path) -> None:
    database.touch()
    with pytest.raises(NotADatabase):
        open_store(database)
    open_store(database, create=True).close()
    open_store_to_read(database).close()


def test_a_later_schema_is_refused_with_advice(database: Path) -> None:
    open_store(database, create=True).close()
    conn = sqlite3.connect(database)
    conn.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    conn.close()
    for attempt in (open_store, open_store_to_read):
        with pytest.raises(NotADatabase, match="update distilbench"):
            attempt(database)


def test_an_update_keeps_what_the_last_report_computed(database: Path) -> None:
    kept = [("b" * 64, '{"n":2}'), ("a" * 64, '{"n":1}')]
    with closing(sqlite3.connect(database)) as conn, conn:
        for _, _, statement in schema_at(FINDINGS_STEP - 1):
            conn.execute(statement)
        conn.execute("INSERT INTO identity VALUES ('c', '2026-01-01T00:00:00Z')")
        conn.executemany("INSERT INTO findings VALUES (?, ?)", kept)
        conn.execute(f"PRAGMA application_id = {0x64627231}")
        conn.execute(f"PRAGMA user_version = {FINDINGS_STEP - 1}")
    with open_store(database) as store:
        assert sorted(store.tuples("SELECT digest, value FROM findings")) == sorted(kept)
        assert store.value("PRAGMA user_version") == len(MIGRATIONS)


def test_a_finding_is_found_without_reading_the_large_ones(database: Path) -> None:
    """Without ROWID, SQLite reads a whole row to compare its key, which took a third of a report's time."""
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]
    seconds = []
    for size in (10, 500_000):
        file = database.with_name(f"{size}.db")
        with open_store(file, create=True) as store:
            with store.writing() as conn:
                rows = [(each, "x" * (size if number % 2 else 10)) for number, each in enumerate(digests)]
                conn.executemany("INSERT INTO findings VALUES (?, ?)", rows)
            begun = time.process_time()
            for _ in range(10):
                assert all(
                    store.value("SELECT value FROM findings WHERE digest = ?", each) for each in digests[::2]
                )
            seconds.append(time.process_time() - begun)
    assert seconds[1] < 5 * seconds[0]


def test_a_damaged_file_is_told_as_such(database: Path) -> None:
    open_store(database, create=True).close()
    with database.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    with pytest.raises((NotADatabase, StorageUnavailable)):
        open_store(database)


def test_a_reader_cannot_write_and_sees_one_state(database: Path, store: Store) -> None:
    with open_store_to_read(database) as reader:
        with pytest.raises(StorageUnavailable, match="only for reading"), reader.writing():
            pass
        with reader.reading():
            before = reader.value("SELECT count(*) FROM question_sets")
            with store.writing() as conn:
                conn.execute("INSERT INTO question_sets (sha256, name, added_at) VALUES ('a', 'b', 'c')")
            assert reader.value("SELECT count(*) FROM question_sets") == before == 0
        assert reader.value("SELECT count(*) FROM question_sets") == 1


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail_halfway() -> None:
        with store.writing() as conn:
            conn.execute("INSERT INTO question_sets (sha256, name, added_at) VALUES ('a', 'b', 'c')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert store.value("SELECT count(*) FROM question_sets") == 0


def _add_rows(database: Path, name: str) -> None:
    with open_store(database) as store:
        for number in range(50):
            with store.writing() as conn:
                conn.execute(
                    "INSERT INTO question_sets (sha256, name, added_at) VALUES (?, '', '')",
                    (f"{name}{number}",),
                )


def test_two_processes_write_in_turns(database: Path, store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add_rows, args=(database, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(150)
        assert writer.exitcode == 0
    assert store.value("SELECT count(*) FROM question_sets") == 100


def test_killed_at_any_moment_of_its_making_it_is_a_database_or_becomes_one(database: Path) -> None:
    make = "import pathlib, sys; from collector.store.opening import open_store\n"
    make += "print(flush=True); open_store(pathlib.Path(sys.argv[1]), create=True)"
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
        for path in database.parent.glob("results.db*"):
            path.unlink()
        command = [sys.executable, "-c", make, str(database)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
        with open_store(database, create=True) as store:
            assert len(store.collector_id) == 32
            assert store.value("PRAGMA integrity_check") == "ok"


def test_killed_before_its_first_commit_it_becomes_a_database(database: Path) -> None:
    making = database.with_name("making.db")
    with closing(sqlite3.connect(making, isolation_level=None)) as conn:
        conn.execute("PRAGMA cache_size = 1")  # pages reach the file before the commit
        conn.execute("BEGIN")
        conn.execute("CREATE TABLE t AS SELECT randomblob(100000) AS x")
        for ending in ("", "-journal"):
            shutil.copy(f"{making}{ending}", f"{database}{ending}")
    assert database.stat().st_size > 0
    with open_store(database, create=True) as store:
        assert store.value("PRAGMA integrity_check") == "ok"
        assert store.value("SELECT count(*) FROM sqlite_schema WHERE name = 't'") == 0


@pytest.mark.sqlite
def test_the_schema_document_is_current(store: Store) -> None:
    written = (ROOT / "docs" / "schema.md").read_text()
    assert written == describe(store), "run: collector schema > docs/schema.md"


def test_a_second_connection_of_a_process_drops_no_lock_of_the_first(database: Path) -> None:
    """Another process would take itself for the last one out, and remove the log that is being written."""
    log = database.with_name(database.name + "-wal")
    with open_store(database, create=True) as store:
        with open_store_to_read(database):
            pass
        command = "import sys; from pathlib import Path; from collector.store.opening import open_store\n"
        command += "with open_store(Path(sys.argv[1])) as store: store.value('SELECT 1')"
        subprocess.run([sys.executable, "-c", command, str(database)], check=True)  # ours
        assert log.exists()
        with store.writing() as conn:
            conn.execute("CREATE TABLE kept_whole (x)")
    with open_store_to_read(database) as store:
        assert store.value("SELECT count(*) FROM kept_whole") == 0
