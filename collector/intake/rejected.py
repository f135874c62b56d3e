"""Messages that were not stored: listed with the reason, and kept whole if an update may help.

Nothing here grows without bound, whatever is sent: not a reason, not the list, not what is kept whole.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from collector.intake.incoming import Delivery
from collector.intake.known_run import rows_of
from collector.store.transaction import Transaction, storable
from commandline.clock import utc_now
from contract.codec import cut
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


def record(conn: Transaction, messages: Sequence[tuple[Delivery, ContractError]]) -> None:
    """Add messages to the list, within the caller's transaction, and delete all but the newest of it.

    Equal bytes are one row, with the reason of the last time.
    """
    if not messages:
        return
    now = utc_now()
    conn.executemany(
        "INSERT INTO rejected VALUES (?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT (sha256) DO UPDATE SET "
        "reason = excluded.reason, times = rejected.times + 1, last_received_at = excluded.last_received_at",
        [
            (
                digest(delivery),
                reason_of(problem),
                shortened(delivery.source),
                len(delivery.data),
                delivery.data[:HEAD_BYTES],
                now,
                now,
            )
            for delivery, problem in messages
        ],
    )
    trim(conn)


def reason_of(problem: ContractError) -> str:
    """Return the reason that is listed for a message and sent to its device, shortened if it is long."""
    return shortened(str(problem))


def trim(conn: Transaction) -> None:
    """Delete all but the newest messages from the list, within the caller's transaction."""
    conn.execute(
        "DELETE FROM rejected WHERE rowid NOT IN (SELECT rowid FROM rejected "
        "ORDER BY last_received_at DESC, rowid DESC LIMIT ?)",
        (MOST_LISTED,),
    )


def shortened(text: str) -> str:
    """Return the beginning of a text that a sender may have made as long as a message, without NUL."""
    return cut(storable(text), MOST_CHARACTERS)


def keep(conn: Transaction, messages: Sequence[Delivery]) -> None:
    """Keep messages whole while there is room, within the caller's transaction: nobody may fill the disk."""
    if not messages:
        return
    query = "SELECT coalesce(sum(length(body) + ?), 0) FROM kept"
    (kept_bytes,) = conn.execute(query, (ROW_BYTES,)).fetchone()
    by_digest: dict[str, Delivery] = {}
    for delivery in messages:
        by_digest.setdefault(digest(delivery), delivery)
    for (sha256,) in rows_of(conn, "SELECT sha256 FROM kept WHERE sha256 IN ({})", by_digest):
        del by_digest[sha256]
    rows = []
    for sha256, delivery in by_digest.items():
        size = len(delivery.data) + ROW_BYTES
        if kept_bytes + size <= KEPT_BYTES:
            kept_bytes += size
            rows.append((sha256, delivery.source, delivery.topic, delivery.data))
    conn.executemany("INSERT INTO kept VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)


def forget(conn: Transaction, sha256: str) -> None:
    """Delete a message from the list, within the caller's transaction."""
    conn.execute("DELETE FROM kept WHERE sha256 = ?", (sha256,))
    conn.execute("DELETE FROM rejected WHERE sha256 = ?", (sha256,))


def digest(delivery: Delivery) -> str:
    """Return the SHA-256 that identifies a message in the list."""
    return hashlib.sha256(delivery.data).hexdigest()
