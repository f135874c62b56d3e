"""Orders in the database: what is in a device's list, and when the list is a new one."""

import pytest
from msgspec.structs import replace

from collector.errors import BadInput
from collector.orders.order_rows import (
    MOST_REVISION,
    add,
    cancel,
    find_orders,
    list_states,
    order_list,
    stored_orders,
)
from collector.orders.state_reports import note_states
from collector.store.database import Store
from contract.errors import Malformed
from contract.orders.order import MAX_OPEN_ORDERS, Order, OrderedRun, OrderList
from contract.orders.progress import OrderProgress
from contract.orders.sealed import MAX_ORDERS_BYTES, seal_orders
from tests.collector.orders.ordering import BY, OTHER, PI, SECRET, order, state


def listed(store: Store, device_id: str = PI) -> tuple[int, tuple[Order, ...]]:
    found = order_list(store, device_id)
    assert found is not None
    return found.revision, found.orders


def test_a_list_holds_the_open_orders_in_their_order_and_every_change_makes_it_newer(store: Store) -> None:
    first, second = order(), order(now=True)
    assert order_list(store, PI) is None
    add(store, {PI: first}, BY, "plan.toml")
    assert listed(store) == (1, (first,))
    add(store, {PI: second, OTHER: replace(first, id="7" * 32)}, BY, "other.toml")
    assert listed(store) == (2, (first, second))
    assert listed(store, OTHER)[0] == 1
    cancel(store, find_orders(store, [first.id[:8]]), "bob@laptop", {PI, OTHER})
    assert listed(store) == (3, (replace(first, cancelled=True), second))


def test_an_order_that_ended_leaves_the_list_and_stays_in_the_database(store: Store) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    note_states(store, [state(OrderProgress(id=ordered.id, phase="done", measured=1))])
    assert listed(store) == (2, ())
    assert stored_orders(store) == []
    (kept,) = stored_orders(store, every=True)
    assert (kept.ordered_by, kept.plan, kept.phase, kept.measured, kept.measurements) == (
        *(BY, "plan.toml", "done"),
        *(1, 1),
    )
    assert kept.ended_at is not None


def test_cancelling_twice_or_too_late_changes_nothing(store: Store) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    for who in ("bob@laptop", "eve@elsewhere"):
        cancel(store, find_orders(store, [ordered.id]), who, {PI})
    assert listed(store)[0] == 2
    note_states(store, [state(OrderProgress(id=ordered.id, phase="cancelled"))])
    cancel(store, find_orders(store, [ordered.id]), BY, {PI})
    assert listed(store) == (3, ())
    (kept,) = stored_orders(store, every=True)
    assert (kept.cancelled_by, kept.phase) == ("bob@laptop", "cancelled")


def test_an_order_of_a_device_that_was_removed_ends_at_once(store: Store) -> None:
    ordered = order()
    add(store, {PI: ordered}, BY, "plan.toml")
    cancel(store, find_orders(store, [ordered.id]), BY, set())
    (kept,) = stored_orders(store, every=True)
    assert kept.phase == "cancelled" and kept.ended_at is not None
    assert listed(store) == (2, ())


def test_too_many_open_orders_are_refused_as_a_whole(store: Store) -> None:
    for _ in range(MAX_OPEN_ORDERS):
        add(store, {PI: order()}, BY, "plan.toml")
    with pytest.raises(BadInput, match=f"pi-5 has {MAX_OPEN_ORDERS} open orders"):
        add(store, {OTHER: order(), PI: order()}, BY, "plan.toml")
    assert order_list(store, OTHER) is None
    assert len(stored_orders(store)) == MAX_OPEN_ORDERS


def test_orders_that_do_not_fit_into_a_message_are_refused(store: Store) -> None:
    run = OrderedRun(bundles=("minilm",), questions="rivers.json", canary=tuple(["x" * 200] * 100))
    with pytest.raises(Malformed, match="at most 131072 are allowed"):
        add(store, {PI: order(runs=(run,) * 8)}, BY, "plan.toml")
    assert stored_orders(store) == []


def filled(size: int) -> Order:
    """An order whose message has so many bytes, alone in the first list."""
    names = ["x"] * 700

    def made() -> Order:
        plain = OrderedRun(bundles=("minilm",), questions="rivers.json")
        runs = (replace(plain, canary=tuple(names[start : start + 100])) for start in range(0, 700, 100))
        return order(runs=tuple(runs))

    spare = size - len(seal_orders(OrderList(device_id=PI, revision=1, orders=(made(),)), SECRET))
    for number, name in enumerate(names):
        names[number] += "x" * min(spare, 199)
        spare -= len(names[number]) - len(name)
    return made()


def test_a_list_that_is_accepted_can_be_sent_with_all_of_its_orders_cancelled(store: Store) -> None:
    room = len('"cancelled":true,')
    with pytest.raises(Malformed, match="order less at a time"):
        add(store, {PI: filled(MAX_ORDERS_BYTES - room + 1)}, BY, "plan.toml")
    assert stored_orders(store) == []
    largest = filled(MAX_ORDERS_BYTES - room - len(str(MOST_REVISION)) + 1)
    add(store, {PI: largest}, BY, "plan.toml")
    cancel(store, stored_orders(store), BY, {PI})
    assert listed(store) == (2, (replace(largest, cancelled=True),))
    found = order_list(store, PI)
    assert found is not None
    assert len(seal_orders(replace(found, revision=MOST_REVISION), SECRET)) == MAX_ORDERS_BYTES


@pytest.mark.parametrize(
    ("beginning", "complaint"),
    [
        ("", "there is no order ''"),
        ("abc", "no order 'abc'"),
        ("ffff", "no order 'ffff'"),
        ("aaaa", "several orders"),
    ],
)
def test_an_order_is_named_by_the_beginning_of_its_id(store: Store, beginning: str, complaint: str) -> None:
    add(store, {PI: order(id="a" * 32), OTHER: order(id="a" * 31 + "b")}, BY, "plan.toml")
    with pytest.raises(BadInput, match=complaint):
        find_orders(store, [beginning])


def test_a_list_is_newer_than_the_one_that_a_restored_database_has_forgotten(store: Store) -> None:
    note_states(store, [state(revision=41)])
    assert list_states(store)[PI].revision == 42
    add(store, {PI: order()}, BY, "plan.toml")
    assert listed(store)[0] == 43
