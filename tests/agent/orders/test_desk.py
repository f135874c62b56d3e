"""Which order comes first while others wait for the hub, and what interrupts the one that is carried out."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from agent.orders import desk as desk_module
from agent.orders.desk import FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS, Interrupted
from contract.orders.order import Order, OrderList
from contract.orders.sealed import seal_orders
from tests.agent.orders.board import DEVICE, Board, board_in
from tests.contract.examples import ORDERS

ONE, TWO, URGENT = (
    replace(ORDERS.orders[0], id=uuid.uuid4().hex, now=now, runs=ORDERS.orders[0].runs[:1])
    for now in (False, False, True)
)


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(desk_module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def board(state_dir: Path, clock: Clock) -> Iterator[Board]:
    with board_in(state_dir) as board:
        yield board


def first(board: Board) -> Order | None:
    entry = board.desk.next()
    return None if entry is None else entry.order


def is_interrupted(board: Board, order: Order, *, between_runs: bool = False) -> bool:
    with suppress(Interrupted):
        board.desk.check(order.id, between_runs=between_runs)
        return False
    return True


def test_an_order_that_has_to_wait_comes_first_again_after_a_while(board: Board, clock: Clock) -> None:
    board.take(ONE, TWO)
    pauses = []
    for _ in range(6):
        assert first(board) == ONE
        board.desk.postpone(ONE.id)
        begun = clock.seconds
        while first(board) == TWO:
            clock.seconds += 1
        pauses.append(clock.seconds - begun)
    assert pauses == [FIRST_RETRY_SECONDS, 40, 80, 160, MAX_RETRY_SECONDS, MAX_RETRY_SECONDS]
    board.desk.need_not_wait(ONE.id)
    board.desk.postpone(ONE.id)
    clock.seconds += FIRST_RETRY_SECONDS
    assert first(board) == ONE


def test_each_order_has_a_pause_of_its_own(board: Board, clock: Clock) -> None:
    board.take(ONE, TWO)
    board.desk.postpone(ONE.id)
    clock.seconds += FIRST_RETRY_SECONDS / 2
    board.desk.postpone(TWO.id)
    assert first(board) is None and board.desk.has_work
    clock.seconds += FIRST_RETRY_SECONDS / 2
    assert first(board) == ONE


def test_an_urgent_order_interrupts_unless_it_had_to_wait(board: Board, clock: Clock) -> None:
    """To try it again could be in vain, and costs the order that is carried out its pace."""
    board.take(ONE, TWO)
    assert not is_interrupted(board, ONE)
    board.take(ONE, TWO, URGENT)
    assert is_interrupted(board, ONE) and not is_interrupted(board, URGENT)
    board.desk.postpone(URGENT.id)
    assert not is_interrupted(board, ONE) and not is_interrupted(board, ONE, between_runs=True)
    clock.seconds += FIRST_RETRY_SECONDS
    assert not is_interrupted(board, ONE)
    assert is_interrupted(board, ONE, between_runs=True)


def test_the_second_order_is_not_interrupted_by_the_first_within_a_run(board: Board, clock: Clock) -> None:
    board.take(ONE, TWO)
    board.desk.postpone(ONE.id)
    clock.seconds += FIRST_RETRY_SECONDS
    assert not is_interrupted(board, TWO)
    assert is_interrupted(board, TWO, between_runs=True)


def test_a_list_that_comes_from_the_hub_ends_the_wait(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    board.take(ONE, TWO)
    board.desk.postpone(ONE.id)
    known = OrderList(device_id=DEVICE, revision=board.book.revision, orders=(ONE, TWO))
    for message, expected in (
        (b"forged", TWO),
        (seal_orders(known, "1" * 64), TWO),
        (seal_orders(known, board.settings.secret), ONE),
    ):
        monkeypatch.setattr(board.publisher, "orders", [[], [message]].pop)
        board.desk.step()
        assert first(board) == expected
