"""What the file of a database is and may be: its header, its mode, its locks, and its errors as sentences."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from collector.errors import BadInput, NotADatabase, StorageUnavailable
from commandline.disk import PRIVATE, lacks_locks
from commandline.sqlite.errors import primary_code
from commandline.sqlite.reading import connect_to_read
from contract.codec import printable

APPLICATION_ID: Final = 0x64627231
"""Marks the file as a distilbench database ("dbr1"); `file` and SQLite tools show it."""


def resolved(path: Path) -> Path:
    """Follow the links of a path, which may lead to no file.

    Raises:
        BadInput: the links form a loop.
        StorageUnavailable: a folder cannot be read.
    """
    with translated(path):
        try:
            return path.resolve()
        except RuntimeError:  # a loop of links, before Python 3.13
            raise BadInput(f"there is no database {str(path)!r}: its links form a loop") from None


def undo_interrupted_creation(path: Path) -> None:
    """Roll back the interrupted creation of a database, which a read-only connection cannot do.

    A complete database has a write-ahead log, and never a journal.
    """
    if path.with_name(path.name + "-journal").exists():
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(uri, uri=True)) as conn:
            conn.execute("PRAGMA application_id")  # the next check reports a file that cannot be read


def check_header(path: Path, *, may_be_empty: bool) -> None:
    """Check that a file is a distilbench database, since SQLite treats an empty file as an empty database.

    This reads with SQLite, not with `open`: closing a file drops all locks that the process has on it, those
    of other connections too (https://www.sqlite.org/howtocorrupt.html, 2.2).

    Raises:
        NotADatabase: it is something else.
        StorageUnavailable: it cannot be read now.
    """
    with translated(path):
        empty = path.stat().st_size == 0
    if empty and may_be_empty:
        return
    with translated(path), closing(connect_to_read(path)) as conn:
        try:
            found_id = 0 if empty else conn.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            found_id = 0
    if found_id != APPLICATION_ID:
        raise NotADatabase(f"{str(path)!r} is not a distilbench database")


def open_lock(path: Path, purpose: str) -> IO[bytes]:
    """Open a file beside the database, to be locked for a purpose.

    Raises:
        StorageUnavailable: it cannot be opened.
    """
    with translated(path):
        descriptor = open_private(path.with_name(f"{path.name}-{purpose}"))
        file = os.fdopen(descriptor, "ab")
        # Whoever can open the file can hold the lock: so only those who may write the database.
        others = path.stat().st_mode & 0o020 if path.exists() else 0
        with suppress(PermissionError):
            os.fchmod(descriptor, PRIVATE | others | others << 1)
        return file


def open_private(path: Path) -> int:
    """Open a file to append to it; one that is created is for its user only."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite and of the system into the collector's.

    Raises:
        StorageUnavailable: the database cannot be used now.
        NotADatabase: the file is damaged, or has other tables.
    """
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # an error in this program, not in the file
    except UnicodeDecodeError as error:  # of SQLite's own message, which quotes the file
        raise NotADatabase(f"database {str(path)!r} is damaged: it has unreadable names") from error
    except sqlite3.DatabaseError as error:
        code = primary_code(error)
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            raise StorageUnavailable(f"database {str(path)!r} cannot be used now: {error}") from error
        # SQLITE_ERROR is about a statement: all are our own, so the tables are not what they were.
        updated = ", or was updated by a later distilbench" if code == sqlite3.SQLITE_ERROR else ""
        raise NotADatabase(f"database {str(path)!r} is damaged{updated}: {printable(str(error))}") from error
    except OSError as error:
        advice = ": keep the database on a disk of this machine" if lacks_locks(error) else ""
        raise StorageUnavailable(
            f"{str(path)!r} cannot be used: {error.strerror or error}{advice}"
        ) from error
