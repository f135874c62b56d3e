"""What the database knows of a run to which records are to be added."""

import sqlite3
from typing import Any, Final, NamedTuple

from contract.messages import Epochs, SeqRange


class KnownRun(NamedTuple):
    """A run in the database; a new one has no stream, no owner, and nothing stored."""

    stream: int | None = None
    owner: str | None = None
    """The device that sent it first; nobody else may add to it."""
    stored: tuple[SeqRange, ...] = ()
    epochs: Epochs = ()
    """The processes that wrote the stored records."""
    disputed_from: int | None = None
    """The first `seq` under which another board has sent a different record; None if none has."""


# One statement rather than three: this is asked for each message.
_PARTS: Final = """
SELECT 0, first_seq, last_seq FROM ranges WHERE stream = ?1
UNION ALL SELECT 1, first_seq, epoch FROM processes WHERE stream = ?1
UNION ALL SELECT 2, first_seq, NULL FROM disputes WHERE stream = ?1
"""


def known_run(conn: sqlite3.Connection, run_id: str) -> KnownRun:
    """Return what is known of a run."""
    row = conn.execute("SELECT stream, device_id FROM streams WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        return KnownRun()
    parts: tuple[list[Any], list[Any], list[Any]] = [], [], []
    for kind, first_seq, other in conn.execute(_PARTS, row[:1]):
        parts[kind].append((first_seq, other))
    stored, epochs, disputes = parts
    return KnownRun(
        stream=row[0],
        owner=row[1],
        stored=tuple(sorted(stored)),
        epochs=tuple(sorted(epochs)),
        disputed_from=disputes[0][0] if disputes else None,
    )
