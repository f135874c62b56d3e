"""The outbox file: its tables, how they are created and updated, and its errors as sentences."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from agent.errors import OutboxDamaged, OutboxFull, StateUnusable
from commandline.disk import PRIVATE
from commandline.sqlite.errors import primary_code
from contract.codec import printable
from contract.foreign.encodings import SQLITE

ROW_BYTES: Final = 120
"""Roughly what a record takes besides its body, with its index entry."""
SIZE: Final = f"ifnull(sum(length(body) + {ROW_BYTES}), 0)"
"""The size of records in bytes, as SQL."""
WAITING: Final = "refused IS NULL AND receipted IS NULL"
"""Whether a record waits for a receipt, as SQL; there are indexes of these records."""

_STEPS: Final = (
    """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    identity TEXT NOT NULL,        -- what is measured and how: equal for runs that may be continued
    format_version INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    asked INTEGER NOT NULL,        -- questions recorded, counted along the run's order
    errors INTEGER NOT NULL,
    elapsed_ns INTEGER NOT NULL,
    finished INTEGER NOT NULL
) STRICT;
CREATE TABLE records (
    position INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice, so a sender's place stays valid
    run_id TEXT NOT NULL REFERENCES runs,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,            -- JSON of the record
    appended_at TEXT NOT NULL,
    refused TEXT,                  -- why nobody takes it; NULL while it waits
    UNIQUE (run_id, seq)
) STRICT;
""",
    """
CREATE TABLE dropped (
    reason TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
CREATE TABLE link (                -- one row: how delivery stands
    state TEXT NOT NULL,
    problem TEXT,
    since TEXT,
    limit_bytes INTEGER
) STRICT;
INSERT INTO link VALUES ('never tried', NULL, NULL, NULL);
""",
    # State that is not in the records of a run yet, for the process that resumes it.
    "ALTER TABLE runs ADD COLUMN kept BLOB NOT NULL DEFAULT x''",
    # Which processes wrote a run; and records that a collector has, kept in case it loses them.
    """
CREATE TABLE processes (
    run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    first_seq INTEGER NOT NULL,    -- the first record of the process
    epoch TEXT NOT NULL,           -- the process, a random number
    PRIMARY KEY (run_id, first_seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE collectors (          -- a few, so that no index is needed
    collector INTEGER PRIMARY KEY,
    collector_id TEXT NOT NULL
) STRICT;
CREATE TABLE past_runs (           -- deleted, but not forgotten: the latest ones
    number INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE
) STRICT;
ALTER TABLE records ADD COLUMN receipted INTEGER REFERENCES collectors;
CREATE INDEX waiting ON records (position) WHERE refused IS NULL AND receipted IS NULL;
CREATE INDEX waiting_of_run ON records (run_id, seq) WHERE refused IS NULL AND receipted IS NULL;
CREATE INDEX set_aside ON records (refused) WHERE refused IS NOT NULL;
CREATE INDEX receipted ON records (position) WHERE receipted IS NOT NULL
""",
)
SCHEMA_VERSION: Final = len(_STEPS)
_OF_THE_SYSTEM: Final = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT),
    }
)
"""Errors that say nothing about the file's content. All statements are our own, so every other one does."""
_LAYOUTS: Final = (b"\1", b"\2")
"""How the file may be written and read, its bytes 18 and 19: with a journal, or with a write-ahead log."""


def check_header(path: Path) -> None:
    """Create the file for its user only, or check what SQLite would take for a file that may not be written.

    Raises:
        OutboxDamaged: the first bytes are not those of a database.
        StateUnusable: it cannot be opened.
    """
    shown = f"'{printable(str(path))}'"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "rb") as file:
            head = file.read(20)
    except OSError as error:
        raise StateUnusable(f"the outbox {shown} cannot be used: {error.strerror}") from None
    if head and (head[:16] != SQLITE or head[18:19] not in _LAYOUTS or head[19:20] not in _LAYOUTS):
        raise OutboxDamaged(f"the outbox {shown} is damaged: it does not begin as a database")


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Create the tables in an empty file, or bring those of an outbox up to date.

    Raises:
        StateUnusable: it was written by a later distilbench.
        OutboxDamaged: SQLite finds an error in the file.
    """
    shown = f"'{printable(str(path))}'"
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION and _tables(db) != _own_tables():
        raise StateUnusable(f"the outbox {shown} was written by a later distilbench: update distilbench here")
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if version > SCHEMA_VERSION:
        verdict = f"its tables are those of version {SCHEMA_VERSION}, but its number is {version}"
    if verdict != "ok":
        raise OutboxDamaged(f"the outbox {shown} is damaged: {printable(verdict)[:200]}")
    _take_steps(db, version)


def _take_steps(db: sqlite3.Connection, version: int) -> None:
    for number, step in enumerate(_STEPS[version:], start=version + 1):
        db.execute("BEGIN IMMEDIATE")
        for statement in step.split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")


def _tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()


def _own_tables() -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        _take_steps(db, 0)
        return _tables(db)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the agent's.

    Raises:
        OutboxFull: the disk is full now.
        OutboxDamaged: the file is not a database, or is damaged.
        StateUnusable: anything else.
    """
    shown = f"'{printable(str(path))}'"
    try:
        yield
    except sqlite3.OperationalError as error:
        code = primary_code(error)
        if code == sqlite3.SQLITE_FULL:
            raise OutboxFull(f"the disk of the outbox {shown} is full") from None
        if code in _OF_THE_SYSTEM:
            raise StateUnusable(f"the outbox {shown} cannot be used: {error}") from None
        raise OutboxDamaged(f"the outbox {shown} is damaged: {printable(str(error))[:200]}") from None
    except sqlite3.DatabaseError as error:
        raise OutboxDamaged(f"the outbox {shown} is damaged: {printable(str(error))[:200]}") from None
    except UnicodeDecodeError:  # of SQLite's own message, which quotes the file
        raise OutboxDamaged(f"the outbox {shown} is damaged: its tables have unreadable names") from None
