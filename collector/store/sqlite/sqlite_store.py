"""The store as a file of SQLite: opened, checked and updated; one process at a time writes it."""

import fcntl
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Final, Self

from collector.errors import BadInput, StorageUnavailable
from collector.store.database import Store, changed, other_version
from collector.store.sqlite.database_file import (
    APPLICATION_ID,
    check_header,
    open_lock,
    open_private,
    resolved,
    translated,
    undo_interrupted_creation,
)
from collector.store.sqlite.file_identity import FileIdentity
from collector.store.sqlite.library import Database
from collector.store.sqlite.migrations import MIGRATIONS, schema_at
from collector.store.sqlite.sqlite_transaction import SqliteTransaction
from commandline.clock import utc_now
from commandline.disk import lock
from commandline.sqlite.reading import BUSY_SECONDS, connect_to_read

OLDEST_SQLITE: Final = (3, 37, 0)
"""The first version with STRICT tables."""
_STEP_BACK_SECONDS: Final = 0.002
_READING: Final = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


class SqliteStore(Store):
    """One connection to a database file.

    Several processes may have the file open. A lock on `FILE-lock` lets only one of them at a time write or
    checkpoint: SQLite before 3.51.3 can lose a WAL when two connections write at the same moment, and the
    Pythons of Linux distributions have such versions. Readers never wait.
    """

    def __init__(self, db: Database, path: Path, lock: IO[bytes] | None) -> None:
        self._db = db
        self._path = path
        self._lock = lock
        self._identity: FileIdentity | None = None

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Open a database to read and write.

        Args:
            path: the file. A link is followed, so that the locks are the same under every name.
            create: create the file if it does not exist.

        Raises:
            BadInput: there is no such file, or it has several names, or SQLite is too old.
            DatabaseMoved: the file was moved or replaced meanwhile.
            NotADatabase: the file is something else, or was made by a later distilbench.
            StorageUnavailable: the file cannot be opened for writing now.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise BadInput(
                f"this Python has SQLite {sqlite3.sqlite_version}, and distilbench needs 3.37 or later"
            )
        exists = path.exists()
        if not exists and not create:
            raise BadInput(f"there is no database {str(path)!r}")
        named, path = path, resolved(path)
        if exists:
            undo_interrupted_creation(path)
            check_header(path, may_be_empty=create)
        lock_file = open_lock(path, "lock")
        with ExitStack() as stack:
            stack.callback(lock_file.close)
            with translated(path):
                if not exists:
                    os.close(open_private(path))
                identity = FileIdentity(named, path)
                conn = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            stack.callback(conn.close)
            store = cls(Database(conn, recursive_triggers=False), path, lock_file)
            with translated(path), store._locked():
                store._prepare()
                identity.opened()
                store._identity = identity
            stack.pop_all()
        return store

    @classmethod
    def open_to_read(cls, path: Path) -> Self:
        """Open a database that is never written through this connection.

        Raises:
            BadInput: there is no such file.
            NotADatabase: the file is something else, or has another schema than this distilbench.
            StorageUnavailable: the file cannot be opened now.
        """
        if not path.exists():
            raise BadInput(f"there is no database {str(path)!r}")
        path = resolved(path)
        check_header(path, may_be_empty=False)
        with translated(path):
            conn = connect_to_read(path)
            store = cls(Database(conn, recursive_triggers=False), path, None)
            version = store._version()
        if version != len(MIGRATIONS):
            conn.close()
            raise other_version(str(path), version, len(MIGRATIONS))
        return store

    def close(self) -> None:
        """Close the file; SQLite merges the write-ahead log into it when the last process closes it."""
        if self._lock is None:
            self._db.conn.close()
            return
        try:
            with self._locked():
                self._db.conn.close()
        except StorageUnavailable:
            self._db.conn.close()  # the other process is not the last one out, and neither writes now
        self._lock.close()

    @property
    def name(self) -> str:
        """The path of the file."""
        return str(self._path)

    @property
    def session_file(self) -> Path:
        """A file beside the database, not in it: databases are copied, merged and published."""
        return self._path.with_name(f"{self._path.name}-session")

    @property
    def writable(self) -> bool:
        """Whether the file was opened for writing."""
        return self._lock is not None

    @contextmanager
    def served(self) -> Iterator[None]:
        """Be the only server of this database during the block: two servers would compete for one session.

        Raises:
            StorageUnavailable: another process serves this database.
        """
        with open_lock(self._path, "serving") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StorageUnavailable(
                    f"another collector serves the database {str(self._path)!r} already"
                ) from None
            yield

    @contextmanager
    def deriving(self, stream: int | None = None) -> Iterator[None]:
        """Be the only process that computes derived data during the block; waits for another to finish.

        The transactions of a block then belong together. Results can be stored meanwhile. A file has one lock
        for all runs.
        """
        with open_lock(self._path, "deriving") as file:
            lock(file.fileno(), f"the summaries of {str(self._path)!r}")
            yield

    @contextmanager
    def writing(self) -> Iterator[SqliteTransaction]:
        """Run one transaction; see `Store`.

        Raises:
            StorageUnavailable: nothing was stored; the same may succeed later.
            DatabaseMoved: the file at the path is not the one that was written.
        """
        if self._lock is None:
            raise StorageUnavailable(f"database {str(self._path)!r} was opened only for reading")
        conn = self._db.conn
        with translated(self._path), self._locked():
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteTransaction(conn)
                conn.execute("COMMIT")
            except BaseException:
                if conn.in_transaction:
                    conn.execute("ROLLBACK")
                raise
        if self._identity is not None:
            self._identity.check()

    @contextmanager
    def writing_behind(self) -> Iterator[SqliteTransaction]:
        """Like `writing`, for one of many small transactions with data that can be computed again.

        Afterwards it pauses, so that another process can get the lock: a file lock has no queue, and a
        process that takes it again at once would usually get it. The lock is held without waiting for the
        disk: a power cut may undo the last of these transactions, but leaves the database consistent.
        """
        self._db.conn.execute("PRAGMA synchronous = NORMAL")
        try:
            with self.writing() as transaction:
                yield transaction
        finally:
            self._db.conn.execute("PRAGMA synchronous = FULL")
        time.sleep(_STEP_BACK_SECONDS)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read from one unchanging snapshot of the database during the block."""
        with translated(self._path):
            self._db.conn.execute("BEGIN")
        try:
            yield
        finally:
            with translated(self._path):
                self._db.conn.execute("ROLLBACK")

    def rows(self, sql: str, *parameters: object) -> Iterator[dict[str, Any]]:
        """Yield rows as dictionaries by column name."""
        with translated(self._path):
            yield from self._db.query(sql, parameters)

    def tuples(self, sql: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yield rows as tuples, which is faster than `rows` if there are many."""
        with translated(self._path):
            yield from self._db.conn.execute(sql, parameters)

    def query(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Run a user's SQL, which may only read this database.

        Returns:
            The column names, and the rows.

        Raises:
            BadInput: the SQL is not one statement, or does more than read.
        """
        conn = self._db.conn
        # A read-only connection could still attach, and write to, another file.
        conn.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
        )
        try:
            cursor = conn.execute(sql)
            rows = cursor.fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise BadInput(f"SQL {sql[:200]!r} fails: {error}") from None
        finally:
            conn.set_authorizer(None)
        return tuple(column for column, *_ in cursor.description or ()), rows

    def check_tables(self) -> None:
        """Check that the tables are those that a collector makes; see `Store`."""
        found = dict(self.tuples("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"))
        for name, kind, statement in schema_at(len(MIGRATIONS)):
            if kind == "table" and found.get(name, "").split() != statement.split():
                raise changed(str(self._path), name)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the columns of each table, by table."""
        found: dict[str, tuple[str, ...]] = {}
        for table, column in self.tuples(
            "SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) "
            "AS columns WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' "
            "ORDER BY tables.rowid, columns.cid"
        ):
            found[table] = (*found.get(table, ()), column)
        return found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        assert self._lock is not None
        try:
            lock(self._lock.fileno(), f"database {str(self._path)!r}", self.lock_patience_seconds)
        except TimeoutError as error:
            raise StorageUnavailable(str(error)) from None
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _version(self) -> int:
        return int(self._db.conn.execute("PRAGMA user_version").fetchone()[0])

    def _prepare(self) -> None:
        conn = self._db.conn
        if conn.execute("PRAGMA page_count").fetchone()[0] == 0:
            # This is written first, so that a file whose creation is interrupted later can be recognised.
            conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        version = self._version()
        if version > len(MIGRATIONS):
            raise other_version(str(self._path), version, len(MIGRATIONS))
        # A new file gets its tables in one transaction, which waits for the disk once. A file with results is
        # updated step by step, so that the log never holds more than one step.
        with self._db.atomic() if version == 0 else nullcontext():
            for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
                with self._db.atomic():
                    migration(self._db)
                    if number == 1:
                        conn.execute("INSERT INTO identity VALUES (?, ?)", (uuid.uuid4().hex, utc_now()))
                    conn.execute(f"PRAGMA user_version = {number}")
