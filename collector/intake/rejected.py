"""Messages that were not stored: recorded with the reason, kept whole where an update may help."""

import hashlib
import sqlite3
from typing import Final

from collector.intake.incoming import Delivery
from commandline.clock import utc_now
from contract.errors import ContractError

HEAD_BYTES: Final = 1024
"""How much of a rejected message is kept in any case."""
KEPT_BYTES: Final = 64 * 1_048_576
"""How much all messages that are kept whole may have. Beyond that the device's own copy is the only one."""


def record(conn: sqlite3.Connection, delivery: Delivery, problem: ContractError) -> None:
    """List a message, within the caller's transaction. The same bytes for the same reason are one row."""
    now = utc_now()
    conn.execute(
        "INSERT INTO rejected VALUES (?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT (sha256, reason) "
        "DO UPDATE SET times = times + 1, last_received_at = excluded.last_received_at",
        (
            digest(delivery),
            str(problem),
            delivery.source,
            len(delivery.data),
            delivery.data[:HEAD_BYTES],
            now,
            now,
        ),
    )


def kept_bytes(conn: sqlite3.Connection) -> int:
    """What all messages that are kept whole have together."""
    (total,) = conn.execute("SELECT ifnull(sum(length(body)), 0) FROM kept").fetchone()
    return int(total)


def keep(conn: sqlite3.Connection, delivery: Delivery) -> bool:
    """Keep a message whole, within the caller's transaction; returns whether it is new."""
    added = conn.execute(
        "INSERT OR IGNORE INTO kept VALUES (?, ?, ?, ?)",
        (digest(delivery), delivery.source, delivery.topic, delivery.data),
    )
    return added.rowcount == 1


def forget(conn: sqlite3.Connection, sha256: str) -> None:
    """Take a message off the list, whatever it was rejected for, within the caller's transaction."""
    conn.execute("DELETE FROM kept WHERE sha256 = ?", (sha256,))
    conn.execute("DELETE FROM rejected WHERE sha256 = ?", (sha256,))


def digest(delivery: Delivery) -> str:
    """What the list knows a message by."""
    return hashlib.sha256(delivery.data).hexdigest()
