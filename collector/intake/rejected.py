"""Messages that were not stored: listed with the reason, and kept whole if an update may help."""

import hashlib
import sqlite3
from typing import Final

from collector.intake.incoming import Delivery
from commandline.clock import utc_now
from contract.errors import ContractError

HEAD_BYTES: Final = 1024
"""How many bytes of a rejected message are always kept."""
KEPT_BYTES: Final = 64 * 1_048_576
"""Size limit of all messages that are kept whole, together. Beyond it, only the device has a copy."""


def record(conn: sqlite3.Connection, delivery: Delivery, problem: ContractError) -> None:
    """Add a message to the list, within the caller's transaction. Equal bytes and reasons are one row."""
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
    """Return the size of all messages that are kept whole, together."""
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
    """Delete a message from the list, with all its reasons, within the caller's transaction."""
    conn.execute("DELETE FROM kept WHERE sha256 = ?", (sha256,))
    conn.execute("DELETE FROM rejected WHERE sha256 = ?", (sha256,))


def digest(delivery: Delivery) -> str:
    """Return the SHA-256 that identifies a message in the list."""
    return hashlib.sha256(delivery.data).hexdigest()
