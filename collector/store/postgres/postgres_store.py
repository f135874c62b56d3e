"""The store as a database of PostgreSQL, which several collectors on several machines may share."""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from collector.errors import BadInput, StorageUnavailable
from collector.store.database import Store, changed, other_version
from collector.store.postgres.connection import Connection, check_url, connect, translated
from collector.store.postgres.dialect import numbered
from collector.store.postgres.postgres_schema import FIRST_VERSION, LATER, VERSION, first_step
from collector.store.postgres.postgres_transaction import PostgresTransaction
from collector.store.postgres.watch import Watch
from collector.store.sqlite.migrations import columns_at
from commandline.clock import utc_now
from commandline.user_folder import user_folder

WAIT_SECONDS: Final = 60
"""How long a statement that writes, or a commit that waits for a standby, may take."""
_LOCKS: Final = 0x64627231
"""The first number of this program's advisory locks of two numbers ("dbr1")."""
_LOCKS_OF_RUNS: Final = 0x64627232
"""The first number of those whose second number is a run's ("dbr2")."""
_PREPARING: Final = 1
_DERIVING: Final = 2
_LOOK_SECONDS: Final = 0.05

# What others committed while a transaction waited for a lock must be seen by its next statement, whatever the
# database's own level is. The message is nothing but bytes in the log: without any, a commit would not wait
# for a standby that lacks what this transaction has only read.
_BEGIN: Final = """BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '{wait}s';
SET LOCAL idle_in_transaction_session_timeout = '{wait}s'; SET LOCAL synchronous_commit = {commit};
SELECT pg_logical_emit_message(true, 'distilbench', '')"""


class PostgresStore(Store):
    """One connection to a database of PostgreSQL.

    A connection that is lost is made again with the next transaction, to whichever host of the URL can be
    written. Rows are read as a whole before the first is yielded.
    """

    def __init__(self, url: str, *, to_write: bool) -> None:
        self._url = url
        self._to_write = to_write
        self._conn: Connection | None = None
        self._watch: Watch | None = None
        self._collector_id: str | None = None
        self._within = False
        self._held = 0  # advisory locks, which end with the connection
        self._warnings: list[str] = []
        self._slot: int | None = None
        self._session_file: Path | None = None

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Self:
        """Open a database to read and write.

        Args:
            url: where it is.
            create: make the tables if there are none; the database itself has to exist.

        Raises:
            BadInput: the URL is wrong or has a password, or there are no tables.
            NotADatabase: a later distilbench made the tables.
            StorageUnavailable: the database cannot be opened for writing now.
        """
        check_url(url)
        store = cls(url, to_write=True)
        try:
            store._prepare(create=create)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_to_read(cls, url: str) -> Self:
        """Open a database that is never written through this connection, on any host of the URL.

        Raises:
            BadInput: the URL is wrong or has a password, or there are no tables.
            NotADatabase: the tables are those of another distilbench.
            StorageUnavailable: the database cannot be opened now.
        """
        check_url(url)
        store = cls(url, to_write=False)
        try:
            version = store._version()
            if version is None:
                raise store._empty()
            if version != VERSION:
                raise other_version(url, version, VERSION)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the connection."""
        if self._conn is not None:
            self._conn.close()
        if self._watch is not None:
            self._watch.close()
        if self._slot is not None:
            os.close(self._slot)
        self._conn = self._watch = self._slot = None

    @property
    def name(self) -> str:
        """The URL, which has no password."""
        return self._url

    @property
    def collector_id(self) -> str:
        """The collector's id, read once a connection: a database cannot be replaced while one is open."""
        if self._collector_id is None:
            with self._watching.over(self._connected()):
                self._collector_id = super().collector_id
        return self._collector_id

    @property
    def session_file(self) -> Path:
        """A file in this user's state on this machine, for this process alone while the store is open."""
        if self._session_file is None:
            folder = user_folder("XDG_STATE_HOME", ".local/state") / "distilbench"
            collector_id = self.collector_id
            with suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files = (folder / f"{collector_id}-session-{number}" for number in count())
            self._session_file = next(file for file in files if self._is_mine(file))
        return self._session_file

    def _is_mine(self, file: Path) -> bool:
        """Whether no other process has this session; it is taken from then on."""
        try:
            lock = os.open(f"{file}-lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return True  # the file cannot be made either, so that each process gets a session of its own
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._slot = lock
        return True

    @property
    def writable(self) -> bool:
        """Whether the database was opened for writing."""
        return self._to_write

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve this database during the block, beside other servers."""
        yield

    @contextmanager
    def deriving(self, stream: int | None = None) -> Iterator[None]:
        """Be the only process that computes derived data during the block; see `Store`."""
        with ExitStack() as locks:
            locks.enter_context(self._locked(_DERIVING, "" if stream is None else "_shared"))
            if stream is not None:
                locks.enter_context(self._locked(stream, of=_LOCKS_OF_RUNS))
            yield

    @contextmanager
    def writing(self) -> Iterator[PostgresTransaction]:
        """Run one transaction; see `Store`."""
        with self._transaction(_BEGIN.format(wait=WAIT_SECONDS, commit="on")) as transaction:
            yield transaction

    @contextmanager
    def writing_behind(self) -> Iterator[PostgresTransaction]:
        """Run one of many small transactions; see `Store`."""
        with self._transaction(_BEGIN.format(wait=WAIT_SECONDS, commit="off")) as transaction:
            yield transaction

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read from one unchanging snapshot of the database during the block."""
        conn = self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._within = True
        try:
            yield
        finally:
            self._within = False
            with suppress(psycopg.Error):  # a lost connection has ended the transaction
                conn.execute("ROLLBACK")

    def rows(self, sql: str, *parameters: object) -> Iterator[dict[str, Any]]:
        """Yield rows as dictionaries by column name."""
        names, found = self._read(numbered(sql), parameters)
        for row in found:
            yield dict(zip(names, row, strict=True))

    def tuples(self, sql: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yield rows as tuples."""
        yield from self._read(numbered(sql), parameters)[1]

    def query(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Run a user's SQL, which may only read this database; see `Store`."""
        with self.reading(), translated(self._url):
            conn = self._connected()
            try:
                # A cursor is of one statement that only reads: a read-only transaction alone would let a
                # superuser write files of the server.
                conn.execute(f"DECLARE asked NO SCROLL CURSOR FOR {sql}".encode(), ())
                return _all(conn.execute(b"FETCH ALL FROM asked"))
            except psycopg.Error as error:
                if conn.closed:
                    raise
                why = error.diag.message_primary or str(error)
                raise BadInput(f"SQL {sql[:200]!r} fails: {why}") from None

    def check_tables(self) -> None:
        """Check that the tables are those that a collector makes; see `Store`."""
        found = self.columns()
        for table, columns in columns_at(VERSION).items():
            if found.get(table, ())[: len(columns)] != columns:
                raise changed(self._url, table)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the columns of each table, by table."""
        found: dict[str, tuple[str, ...]] = {}
        for table, column in self.tuples(
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns "
            "JOIN information_schema.tables USING (table_schema, table_name) "
            "WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' "
            "ORDER BY table_name, columns.ordinal_position"
        ):
            found[table] = (*found.get(table, ()), column)
        return found

    def _read(self, sql: str, parameters: Sequence[object]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        for _ in range(2):
            conn = self._connected()
            try:
                with translated(self._url):
                    return _all(conn.execute(sql.encode(), parameters))
            except StorageUnavailable:
                if self._within or not conn.closed:
                    raise
        raise StorageUnavailable(f"database {self._url!r} cannot be used now: the connection keeps breaking")

    def _connected(self) -> Connection:
        """Return the connection, made again if it was lost between two transactions."""
        if self._conn is None or self._conn.closed:
            if self._held or self._within:
                raise StorageUnavailable(f"database {self._url!r} was lost in the middle of its work")
            self._conn = connect(self._url, to_write=self._to_write)
            self._conn.add_notice_handler(self._note)
            self._collector_id = None
        return self._conn

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(notice.message_primary or "a warning")

    def _begin(self, sql: str) -> Connection:
        """Begin a transaction, on a new connection if the server has closed this one since."""
        was_open = self._conn is not None
        try:
            return self._begun(sql)
        except StorageUnavailable:
            if not was_open or self._conn is None or not self._conn.closed:
                raise
            return self._begun(sql)

    def _begun(self, sql: str) -> Connection:
        conn = self._connected()
        with translated(self._url), self._watching.over(conn):
            conn.execute(sql.encode(), prepare=False)
        return conn

    @property
    def _watching(self) -> Watch:
        if self._watch is None:
            self._watch = Watch(WAIT_SECONDS)
        return self._watch

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[PostgresTransaction]:
        if not self._to_write:
            raise StorageUnavailable(f"database {self._url!r} was opened only for reading")
        conn, watch = self._begin(begin), self._watching
        self._within = True
        with watch.over(conn):
            try:
                yield PostgresTransaction(conn, self._url, watch)
                self._warnings.clear()
                watch.note()
                with translated(self._url):
                    ended = conn.execute("COMMIT").statusmessage
            except BaseException as error:
                watch.note()
                self._undo(conn, error)
                raise
            finally:
                self._within = False
        if ended != "COMMIT" or self._warnings:
            # With a warning, PostgreSQL says that a standby has not got what is stored here.
            why = self._warnings[0] if self._warnings else "the transaction was rolled back"
            raise StorageUnavailable(f"database {self._url!r} cannot be used now: {why}")

    def _undo(self, conn: Connection, error: BaseException) -> None:
        with suppress(psycopg.Error):
            conn.execute("ROLLBACK")
        if isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction):
            conn.close()  # a standby now: the next connection is to the host that took over

    @contextmanager
    def _locked(self, what: int, shared: str = "", *, of: int = _LOCKS) -> Iterator[None]:
        """Hold an advisory lock of this connection; the database drops it with the connection.

        Args:
            what: the second number of the lock.
            shared: "_shared" for a lock that others may hold at the same time, unless one wants it alone.
            of: the first number of the lock.
        """
        key = (of, what)
        while not self._read(f"SELECT pg_try_advisory_lock{shared}($1::int, $2::int)", key)[1][0][0]:
            time.sleep(_LOOK_SECONDS)
        conn = self._connected()
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            with suppress(psycopg.Error):
                conn.execute(f"SELECT pg_advisory_unlock{shared}($1::int, $2::int)".encode(), key)

    def _version(self) -> int | None:
        if self.value("SELECT CAST(to_regclass('schema_version') AS TEXT)") is None:
            return None
        return int(self.value("SELECT version FROM schema_version"))

    def _prepare(self, *, create: bool) -> None:
        version = self._version()
        if version == VERSION:
            return
        if version is None and not create:
            raise self._empty()
        with self._locked(_PREPARING):
            version = self._version()
            if version is not None and version > VERSION:
                raise other_version(self._url, version, VERSION)
            if version is None:
                self._create()
            with self.writing() as transaction:
                for statements in LATER[(version or FIRST_VERSION) - FIRST_VERSION :]:
                    for statement in statements:
                        transaction.execute(statement)
                transaction.execute("UPDATE schema_version SET version = ?", (VERSION,))

    def _create(self) -> None:
        compression = bool(
            self.value(
                "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
            )
        )
        with self.writing() as transaction:
            for statement in first_step(compression=compression):
                transaction.execute(statement)
            transaction.execute("INSERT INTO schema_version VALUES (?)", (FIRST_VERSION,))
            transaction.execute("INSERT INTO identity VALUES (?, ?)", (uuid.uuid4().hex, utc_now()))

    def _empty(self) -> BadInput:
        return BadInput(f"database {self._url!r} has no tables of a collector: collector serve makes them")


def _all(cursor: "psycopg.Cursor[tuple[Any, ...]]") -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    return tuple(column.name for column in cursor.description or ()), cursor.fetchall()
