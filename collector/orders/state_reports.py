"""What devices report about their orders, and about themselves, written into the database.

A report is believed only about the orders of the device on whose topic it arrived. An order that has ended
never changes again, and a report adds no order, so nothing here grows by what devices send.
"""

from collections.abc import Iterable
from typing import Final

from collector.orders.order_rows import MOST_REVISION, raise_revision
from collector.store.database import Store
from collector.store.transaction import Transaction, storable
from commandline.clock import utc_now
from contract.errors import ContractError
from contract.messages import State, decode_message
from contract.orders.progress import ENDED, OrderProgress
from contract.topics import parse_topic


def state_sender(topic: str | None) -> str | None:
    """Return the device whose states arrive on a topic; None if the topic is not one of states."""
    if topic is None:
        return None
    try:
        parsed = parse_topic(topic)
    except ContractError:
        return None
    return parsed.device_id if parsed.channel == "state" else None


def state_in(data: bytes, sender: str) -> State | None:
    """Return the state in a message; None if it is no state, or that of another device than its sender."""
    try:
        message = decode_message(data)
    except ContractError:
        return None
    return message if isinstance(message, State) and message.device_id == sender else None


def is_old_will(state: State, session_id: str | None) -> bool:
    """Return whether a state is the will of an earlier session, which says nothing about the present one.

    Args:
        state: a state.
        session_id: the session of the device's latest state; None if there was none.
    """
    return state.state == "lost" and session_id is not None and session_id != state.session_id


def note_states(store: Store, states: Iterable[State]) -> None:
    """Write what devices report, in one transaction. An order that has ended leaves its device's list.

    Args:
        store: the database.
        states: the latest state of each of some devices that have joined.

    Raises:
        StorageUnavailable: nothing was written; the same states may be tried again.
    """
    now = utc_now()
    with store.writing() as conn:
        for state in states:
            _note_device(conn, state, now)
            ended = [_note_order(conn, state.device_id, progress, now) for progress in state.orders]
            if any(ended) or _has_a_later_list(conn, state.device_id):
                raise_revision(conn, state.device_id)


def _note_device(conn: Transaction, state: State, now: str) -> None:
    accepted = state.orders_revision
    if accepted is not None and accepted > MOST_REVISION:
        accepted = None
    conn.execute(
        "INSERT INTO order_lists (device_id, revision, accepted, state, since) VALUES (?, 0, ?, ?, ?) "
        "ON CONFLICT (device_id) DO UPDATE SET "
        "accepted = coalesce(excluded.accepted, order_lists.accepted), "
        "since = CASE WHEN order_lists.state = excluded.state THEN order_lists.since "
        "ELSE excluded.since END, state = excluded.state",
        (state.device_id, accepted, state.state, now),
    )


_REPORTED: Final = """
SELECT phase, reason, measured, failed, bundle, round, rounds FROM orders
WHERE order_id = ? AND device_id = ? AND ended_at IS NULL
"""
_REPORT: Final = """
UPDATE orders SET phase = ?, reason = ?, measured = ?, failed = ?, bundle = ?, round = ?, rounds = ?,
    reported_at = ?, ended_at = ?
WHERE order_id = ? AND device_id = ? AND ended_at IS NULL
"""


def _note_order(conn: Transaction, device_id: str, report: OrderProgress, now: str) -> bool:
    """Write what a device reports about one of its orders; returns whether that has ended by this."""
    ended = report.phase in ENDED
    values = (
        report.phase,
        storable(report.reason) or None,
        report.measured,
        report.failed,
        report.bundle and storable(report.bundle),
        report.round,
        report.rounds,
    )
    before = conn.execute(_REPORTED, (report.id, device_id)).fetchone()
    if before is None or before == values:
        return False
    told = (*values, now, now if ended else None, report.id, device_id)
    return conn.execute(_REPORT, told).rowcount > 0 and ended


def _has_a_later_list(conn: Transaction, device_id: str) -> bool:
    """Return whether a device has a later list than the database, which was restored from a backup."""
    found = conn.execute(
        "SELECT accepted > revision FROM order_lists WHERE device_id = ?", (device_id,)
    ).fetchone()
    return bool(found[0])
