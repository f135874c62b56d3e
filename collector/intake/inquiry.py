"""What a device asks in a batch without records: does the collector still have what it has confirmed?"""

import sqlite3

from collector.intake.known_run import KnownRun
from contract.messages import Batch


def note_gone(conn: sqlite3.Connection, known: KnownRun, batch: Batch) -> None:
    """Record what a device no longer has of a run, within the caller's transaction."""
    if known.stream is None:
        return
    before = conn.execute("SELECT first_seq, last_seq FROM gone WHERE stream = ? ORDER BY 1", (known.stream,))
    if tuple(before) != batch.gone:
        conn.execute("DELETE FROM gone WHERE stream = ?", (known.stream,))
        conn.executemany(
            "INSERT OR IGNORE INTO gone VALUES (?, ?, ?)", ((known.stream, *each) for each in batch.gone)
        )


def was_pruned(conn: sqlite3.Connection, run_id: str) -> bool:
    """Return whether a run was removed on purpose, so that its device need not send it again."""
    return conn.execute("SELECT 1 FROM pruned WHERE run_id = ?", (run_id,)).fetchone() is not None
