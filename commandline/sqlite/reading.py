"""Connections that only read a database, even if SQLite cannot write its files beside it.

A database with a write-ahead log (WAL) needs shared memory, `FILE-shm`. SQLite cannot create this file in a
folder or on a file system that is read-only. But then no process can write the database either, so nothing
has to be shared: https://www.sqlite.org/wal.html, "Read-Only Databases".
"""

import sqlite3
from pathlib import Path
from typing import Final

from commandline.sqlite.errors import primary_code

BUSY_SECONDS: Final = 10.0
"""How long SQLite waits for another connection."""


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a database that is never written through this connection; its first use reports what is wrong."""
    conn = _connect(path, "mode=ro")
    try:
        conn.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        # A process that has the database open keeps FILE-shm, so without it nobody writes.
        if primary_code(error) != sqlite3.SQLITE_CANTOPEN or _beside(path, "shm").exists():
            return conn
        conn.close()
        if not _has_bytes(_beside(path, "wal")):
            return _connect(path, "mode=ro&immutable=1")
        # Without locks and with sole access, SQLite indexes the log in its own memory.
        conn = _connect(path, "mode=ro&vfs=unix-none")
        conn.execute("PRAGMA locking_mode = EXCLUSIVE")
    return conn


def _connect(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}-{ending}")


def _has_bytes(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False
