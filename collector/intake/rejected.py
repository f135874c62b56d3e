"""Messages that were not stored: listed with the reason, and kept whole if an update may help.

Nothing here grows without bound, whatever is sent: not a reason, not the list, not what is kept whole.
"""

import hashlib
import sqlite3
from typing import Final

from collector.intake.incoming import Delivery
from commandline.clock import utc_now
from contract.errors import ContractError

HEAD_BYTES: Final = 1024
"""How many bytes of a rejected message are always kept."""
MOST_CHARACTERS: Final = 300
"""The longest reason, and the longest source, of a message in the list."""
MOST_LISTED: Final = 1_000
"""How many messages the list has: the newest."""
ROW_BYTES: Final = 500
"""What a message that is kept whole takes at most besides its bytes."""
KEPT_BYTES: Final = 64 * 1_048_576
"""Size limit of all messages that are kept whole, together. Beyond it, only the device has a copy."""


def record(conn: sqlite3.Connection, delivery: Delivery, problem: ContractError) -> str:
    """Add a message to the list, within the caller's transaction; returns the reason as it is listed.

    Equal bytes are one row, with the reason of the last time.
    """
    now, reason = utc_now(), shortened(str(problem))
    conn.execute(
        "INSERT INTO rejected VALUES (?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT (sha256) DO UPDATE "
        "SET reason = excluded.reason, times = times + 1, last_received_at = excluded.last_received_at",
        (
            digest(delivery),
            reason,
            shortened(delivery.source),
            len(delivery.data),
            delivery.data[:HEAD_BYTES],
            now,
            now,
        ),
    )
    return reason


def trim(conn: sqlite3.Connection) -> None:
    """Delete all but the newest messages from the list, within the caller's transaction."""
    conn.execute(
        "DELETE FROM rejected WHERE rowid IN (SELECT rowid FROM rejected "
        "ORDER BY last_received_at DESC, rowid DESC LIMIT -1 OFFSET ?)",
        (MOST_LISTED,),
    )


def shortened(text: str) -> str:
    """Return the beginning of a text that a sender may have made as long as a message."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def kept_bytes(conn: sqlite3.Connection) -> int:
    """Return the size of all messages that are kept whole, together."""
    query = "SELECT ifnull(sum(length(body) + ?), 0) FROM kept"
    (total,) = conn.execute(query, (ROW_BYTES,)).fetchone()
    return int(total)


def keep(conn: sqlite3.Connection, delivery: Delivery) -> bool:
    """Keep a message whole, within the caller's transaction; returns whether it is new."""
    added = conn.execute(
        "INSERT OR IGNORE INTO kept VALUES (?, ?, ?, ?)",
        (digest(delivery), delivery.source, delivery.topic, delivery.data),
    )
    return added.rowcount == 1


def forget(conn: sqlite3.Connection, sha256: str) -> None:
    """Delete a message from the list, within the caller's transaction."""
    conn.execute("DELETE FROM kept WHERE sha256 = ?", (sha256,))
    conn.execute("DELETE FROM rejected WHERE sha256 = ?", (sha256,))


def digest(delivery: Delivery) -> str:
    """Return the SHA-256 that identifies a message in the list."""
    return hashlib.sha256(delivery.data).hexdigest()
