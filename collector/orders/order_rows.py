"""Orders in the database: added, cancelled, reported on by their device, and kept for good.

A device's list consists of its open orders. Whatever changes the list also raises its revision, in the same
transaction; the running collector publishes every list whose revision it has not published yet.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from collector.errors import BadInput
from collector.store.database import Store
from collector.store.transaction import Transaction
from commandline.clock import utc_now
from contract.codec import encode
from contract.orders.order import MAX_OPEN_ORDERS, Order, OrderList
from contract.orders.sealed import seal_orders

MOST_REVISION: Final = 2**53 - 2**20
"""No list gets there by honest changes; a device that claims to have a later one is not believed."""
AWAY: Final = frozenset({"disconnected", "lost"})
"""The states of an agent that is not connected."""
_NO_SECRET: Final = "0" * 64
_ORDER: Final = msgspec.json.Decoder(Order)
_FEWEST_CHARS: Final = 4


class StoredOrder(NamedTuple):
    """An order with what its device reported last."""

    order_id: str
    device_id: str
    ordered_at: str
    ordered_by: str
    plan: str
    measurements: int
    """How many runs the device records for it."""
    cancelled_at: str | None
    cancelled_by: str | None
    phase: str | None
    """None before the device has reported on it."""
    reason: str | None
    measured: int
    failed: int
    bundle: str | None
    round: int | None
    rounds: int | None
    ended_at: str | None
    """None for an open order."""


class ListState(NamedTuple):
    """The state of a device's list."""

    device_id: str
    revision: int
    state: str | None
    """The state of its agent; None if it was never heard."""
    since: str | None
    """When that state was heard first."""


def away_since(state: ListState | None) -> str | None:
    """Return since when a device has been away, empty if it was never here; None if it is connected."""
    if state is None or state.state is None:
        return ""
    return state.since if state.state in AWAY else None


def add(store: Store, orders: Mapping[str, Order], by: str, plan: str) -> None:
    """Add an order for each of some devices, or none at all.

    Args:
        store: the database.
        orders: the orders by device.
        by: who orders, as user@host.
        plan: the name of the plan's file.

    Raises:
        BadInput: a device has too many open orders already.
        Malformed: the orders of a device would not fit into a message together if all were cancelled.
        StorageUnavailable: the database cannot be written.
    """
    with store.writing() as conn:
        for device_id, order in orders.items():
            conn.execute(
                "INSERT INTO orders (order_id, device_id, ordered_at, ordered_by, plan, body, measurements) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (order.id, device_id, order.created_at, by, plan, encode(order).decode(), order.measured),
            )
            raise_revision(conn, device_id)
            _check_list(conn, device_id)


def cancel(store: Store, orders: Iterable[StoredOrder], by: str, joined: Collection[str]) -> None:
    """Cancel open orders. Those of devices that have not joined, or no longer, end at once.

    Args:
        store: the database.
        orders: the orders.
        by: who cancels, as user@host.
        joined: the devices that can be reached.

    Raises:
        StorageUnavailable: the database cannot be written.
    """
    now = utc_now()
    with store.writing() as conn:
        for order in orders:
            gone = order.device_id not in joined
            done = conn.execute(
                "UPDATE orders SET cancelled_at = coalesce(cancelled_at, ?), "
                "cancelled_by = coalesce(cancelled_by, ?), ended_at = ?, phase = coalesce(?, phase) "
                "WHERE order_id = ? AND ended_at IS NULL AND (cancelled_at IS NULL OR ? = 1)",
                (now, by, now if gone else None, "cancelled" if gone else None, order.order_id, gone),
            )
            if done.rowcount:
                raise_revision(conn, order.device_id)


def raise_revision(conn: Transaction, device_id: str) -> None:
    """Note that a device's list has changed, within the caller's transaction.

    The device may have a later list than the database, which was then restored from a backup: the new list
    is newer than both.
    """
    conn.execute(
        "INSERT INTO order_lists (device_id, revision) VALUES (?, 1) ON CONFLICT (device_id) DO UPDATE "
        "SET revision = 1 + CASE WHEN order_lists.accepted > order_lists.revision "
        "THEN order_lists.accepted ELSE order_lists.revision END",
        (device_id,),
    )


def list_states(store: Store) -> dict[str, ListState]:
    """Return the state of each device's list, by device."""
    rows = store.tuples("SELECT device_id, revision, state, since FROM order_lists ORDER BY device_id")
    return {row[0]: ListState(*row) for row in rows}


def order_list(store: Store, device_id: str) -> OrderList | None:
    """Return what a device has to measure, as it is published; None before its first order."""
    with store.reading():
        revision = store.value("SELECT revision FROM order_lists WHERE device_id = ?", device_id)
        found = list(store.tuples(_OPEN, device_id)) if revision else []
    return _listed(device_id, revision, found) if revision else None


def stored_orders(store: Store, *, every: bool = False) -> list[StoredOrder]:
    """Return the open orders, or every order that was ever given, the oldest first."""
    return _orders(store, "TRUE" if every else "ended_at IS NULL")


def orders_with_ids(store: Store, order_ids: Collection[str]) -> list[StoredOrder]:
    """Return the orders with some ids, the oldest first, without reading other orders."""
    return _orders(store, f"order_id IN ({', '.join('?' * len(order_ids))})", *order_ids)


def _orders(store: Store, condition: str, *values: str) -> list[StoredOrder]:
    fields = ", ".join(StoredOrder._fields)
    query = f"SELECT {fields} FROM orders WHERE {condition} ORDER BY ordered_at, rowid"  # noqa: S608  # our own words
    return [StoredOrder(*row) for row in store.tuples(query, *values)]


def find_orders(store: Store, beginnings: Iterable[str]) -> list[StoredOrder]:
    """Return the orders whose ids begin so, each of the beginnings being that of one id.

    Raises:
        BadInput: no id or several ids begin so.
    """
    every = stored_orders(store, every=True)
    found = []
    for beginning in beginnings:
        named = [order for order in every if order.order_id.startswith(beginning)]
        if len(beginning) < _FEWEST_CHARS or not named:
            raise BadInput(f"there is no order {beginning!r}: collector orders lists them")
        if len(named) > 1:
            raise BadInput(f"several orders begin with {beginning!r}, such as {named[0].order_id}")
        found.append(named[0])
    return list(dict.fromkeys(found))


_OPEN: Final = """
SELECT body, cancelled_at IS NOT NULL FROM orders
WHERE device_id = ? AND ended_at IS NULL ORDER BY ordered_at, rowid
"""


def _check_list(conn: Transaction, device_id: str) -> None:
    """Check that the device's list can be published, within the caller's transaction."""
    rows = conn.execute(_OPEN, (device_id,)).fetchall()
    if len(rows) > MAX_OPEN_ORDERS:
        raise BadInput(
            f"{device_id} has {MAX_OPEN_ORDERS} open orders, which is the limit: wait until one has ended, "
            "or cancel one with collector cancel"
        )
    # The list has to fit into a message also when all of its orders are cancelled, which makes it longer.
    all_cancelled = [(body, 1) for body, _ in rows]
    seal_orders(_listed(device_id, MOST_REVISION, all_cancelled), _NO_SECRET)


def _listed(device_id: str, revision: int, rows: Iterable[tuple[str, int]]) -> OrderList:
    orders = (
        msgspec.structs.replace(_ORDER.decode(body), cancelled=bool(cancelled)) for body, cancelled in rows
    )
    return OrderList(device_id=device_id, revision=revision, orders=tuple(orders))
