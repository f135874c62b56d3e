"""The outbox file: its tables, how they are created and updated, and its errors as sentences."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.errors import OutboxDamaged, OutboxFull, StateUnusable
from contract.codec import printable

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
ALTER TABLE records ADD COLUMN receipted INTEGER REFERENCES collectors;
CREATE INDEX waiting ON records (position) WHERE refused IS NULL AND receipted IS NULL;
CREATE INDEX waiting_of_run ON records (run_id, seq) WHERE refused IS NULL AND receipted IS NULL;
CREATE INDEX set_aside ON records (refused) WHERE refused IS NOT NULL;
CREATE INDEX receipted ON records (position) WHERE receipted IS NOT NULL
""",
)
SCHEMA_VERSION: Final = len(_STEPS)


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Create the tables in an empty file, or bring those of an outbox up to date.

    Raises:
        StateUnusable: it was written by a later distilbench.
        OutboxDamaged: SQLite finds an error in the file.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StateUnusable(
            f"the outbox '{printable(str(path))}' was written by a later distilbench: update distilbench here"
        )
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise OutboxDamaged(f"the outbox '{printable(str(path))}' is damaged: {printable(verdict)[:200]}")
    for number, step in enumerate(_STEPS[version:], start=version + 1):
        db.execute("BEGIN IMMEDIATE")
        for statement in step.split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")


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
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OutboxFull(f"the disk of the outbox {shown} is full") from None
        raise StateUnusable(f"the outbox {shown} cannot be used: {error}") from None
    except sqlite3.IntegrityError:
        raise  # an error in this program, not of the disk
    except sqlite3.DatabaseError as error:
        raise OutboxDamaged(f"the outbox {shown} cannot be used: {error}") from None
