"""What a device remembers of its orders: replays, cancellations, kills and damage."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.errors import StateUnusable
from agent.orders.book import BOOK_FILE, FORGOTTEN, MOST_ENDED, OrderBook
from agent.planning.plan_file import Position, utc_time
from contract.orders.order import Order, OrderList
from contract.orders.progress import MAX_REPORTED_ORDERS
from tests.contract.examples import ORDERS

ONE = replace(ORDERS.orders[0], id="1" * 32)
TWO = replace(ONE, id="2" * 32)
THREE = replace(ONE, id="3" * 32)


def listed(revision: int, *orders: Order) -> OrderList:
    return OrderList(device_id="pi", revision=revision, orders=orders)


def opened(folder: Path, said: list[str] | None = None) -> OrderBook:
    return OrderBook(folder, "pi", (said if said is not None else []).append)


def ids(book: OrderBook) -> list[str]:
    return [entry.order.id[0] for entry in book.entries]


def test_orders_are_stored_before_anything_is_done(tmp_path: Path) -> None:
    book = opened(tmp_path)
    assert book.accept(listed(3, ONE, TWO)) is None
    again = opened(tmp_path)
    assert (again.revision, ids(again)) == (3, ["1", "2"])
    assert (tmp_path / BOOK_FILE).stat().st_mode & 0o077 == 0
    position = Position(ONE.id, utc_time(), done=1)
    again.change(ONE.id, position=position, measured=2, identities=("x",))
    entry = opened(tmp_path).entry(ONE.id)
    assert entry is not None and (entry.position, entry.measured) == (position, 2)


def test_an_old_list_is_ignored_and_the_same_one_changes_nothing(tmp_path: Path) -> None:
    book = opened(tmp_path)
    assert book.accept(listed(3, ONE)) is None
    assert book.accept(listed(3, ONE)) is None
    for replayed in (listed(2, ONE, TWO), listed(3, ONE, TWO)):
        refused = book.accept(replayed)
        assert refused is not None and "3 was accepted before" in refused
    assert ids(book) == ["1"]


def test_an_order_that_has_ended_is_not_carried_out_again(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.accept(listed(1, ONE))
    book.change(ONE.id, measured=4)
    book.end(ONE.id, "done")
    again = opened(tmp_path)
    again.accept(listed(2, ONE, TWO))
    assert ids(again) == ["2"]
    assert [(each.id[0], each.phase, each.measured) for each in again.progress] == [
        ("2", "waiting", 0),
        ("1", "done", 4),
    ]


def test_a_cancelled_order_and_one_that_is_not_listed_any_more_are_cancelled(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.accept(listed(1, ONE, TWO, THREE))
    book.accept(listed(2, replace(ONE, cancelled=True), TWO))
    assert {entry.order.id[0]: entry.order.cancelled for entry in book.entries} == {
        "1": True,
        "2": False,
        "3": True,
    }
    # A cancelled order stays so, and nothing else of an order changes under its id.
    book.accept(listed(3, replace(ONE, rounds=7), replace(TWO, rounds=7)))
    assert [(entry.order.cancelled, entry.order.rounds) for entry in book.entries] == [
        (True, ONE.rounds),
        (False, ONE.rounds),
        (True, ONE.rounds),
    ]


def test_urgent_orders_come_first_the_newest_of_them_before_the_others(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.accept(listed(1, ONE, replace(TWO, now=True), replace(THREE, now=True)))
    assert ids(book) == ["3", "2", "1"]


def test_after_damage_nothing_is_repeated(tmp_path: Path) -> None:
    book = opened(tmp_path)
    book.accept(listed(1, ONE))
    book.end(ONE.id, "done")
    (tmp_path / BOOK_FILE).write_bytes(b'{"device_id":"pi","revi')
    said: list[str] = []
    damaged = opened(tmp_path, said)
    assert "the memory of orders was damaged and moved to" in said[0]
    damaged = opened(tmp_path)  # and again at the next start
    assert damaged.accept(listed(1, ONE)) is None
    assert ids(damaged) == []
    assert [(each.phase, each.reason) for each in damaged.progress] == [("failed", FORGOTTEN)]
    damaged.accept(listed(2, ONE, TWO))
    assert ids(damaged) == ["2"], "what is ordered afterwards is carried out"


def test_another_device_has_other_orders(tmp_path: Path) -> None:
    opened(tmp_path).accept(listed(5, ONE))
    assert OrderBook(tmp_path, "other", lambda _: None).entries == ()


def test_a_disk_that_cannot_be_written_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = opened(tmp_path)
    book.accept(listed(1, ONE))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agent.orders.book.write_whole", full)
    with pytest.raises(StateUnusable, match="No space left"):
        book.accept(listed(2, ONE, TWO))
    assert (book.revision, ids(book)) == (1, ["1"])


def test_the_book_and_the_report_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.orders.book.write_whole", lambda *_: None)
    book = opened(tmp_path)
    for number in range(MOST_ENDED + 20):
        one = replace(ONE, id=f"{number:032x}")
        book.accept(listed(number + 1, one))
        book.end(one.id, "failed", "x" * 5000)
    assert len(book.progress) == MAX_REPORTED_ORDERS
    assert book.progress[0].id == f"{MOST_ENDED + 19:032x}"
    assert len(book.progress[0].reason) == 300


@given(st.lists(st.tuples(st.integers(1, 6), st.sets(st.sampled_from("abcd"))), max_size=12))
def test_whatever_lists_come_an_order_ends_at_most_once(
    tmp_path_factory: pytest.TempPathFactory, lists: list[tuple[int, set[str]]]
) -> None:
    folder = tmp_path_factory.mktemp("book")
    ended: list[str] = []
    highest = 0
    for revision, letters in lists:
        book = opened(folder)  # a restart before each list
        orders = tuple(replace(ONE, id=letter * 32) for letter in sorted(letters))
        refused = book.accept(listed(revision, *orders))
        assert refused is None or revision <= highest
        highest = max(highest, revision)
        if (first := next(iter(book.entries), None)) is not None:
            ended.append(first.order.id)
            book.end(first.order.id, "done")
    assert len(ended) == len(set(ended))
