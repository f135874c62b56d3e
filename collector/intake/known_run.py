"""What the database knows of a run to which records are to be added."""

import sqlite3
from typing import NamedTuple

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


def known_run(conn: sqlite3.Connection, run_id: str) -> KnownRun:
    """Return what is known of a run."""
    row = conn.execute(
        "SELECT stream, device_id, disputes.first_seq FROM streams LEFT JOIN disputes USING (stream) "
        "WHERE run_id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        return KnownRun()
    stream, owner, disputed_from = row
    ranges = conn.execute("SELECT first_seq, last_seq FROM ranges WHERE stream = ? ORDER BY 1", (stream,))
    processes = conn.execute("SELECT first_seq, epoch FROM processes WHERE stream = ? ORDER BY 1", (stream,))
    return KnownRun(stream, owner, tuple(ranges), tuple(processes), disputed_from)
