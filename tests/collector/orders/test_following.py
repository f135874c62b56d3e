"""How orders are followed: to their end, or until nobody writes down what devices report."""

import pytest

from collector.orders import following
from collector.orders.following import HUB_PATIENCE_SECONDS, follow
from collector.orders.order_rows import add
from collector.orders.state_reports import note_states
from collector.store.database import Store
from contract.orders.progress import OrderProgress
from tests.collector.orders.ordering import BY, OTHER, PI, order, state


class Clock:
    """A clock that passes while somebody sleeps, and what happens meanwhile."""

    def __init__(self, *events: object) -> None:
        self.now = 100.0
        self.slept = 0
        self._events = list(events)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += 1
        if self._events and callable(event := self._events.pop(0)):
            event()


def test_orders_are_followed_to_their_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, other = order(), order(), order()
    add(store, {PI: first, OTHER: second}, BY, "plan.toml")
    add(store, {PI: other}, BY, "other.toml")

    def report(device_id: str, phase: str, order_id: str) -> None:
        progress = OrderProgress(id=order_id, phase=phase)  # type: ignore[arg-type]  # as the test says
        note_states(store, [state(progress, device_id=device_id)])

    clock = Clock(
        lambda: report(PI, "measuring", first.id),
        lambda: report(PI, "done", first.id),
        None,
        lambda: report(OTHER, "refused", second.id),
    )
    monkeypatch.setattr(following, "time", clock)
    said: list[str] = []
    found = follow(store, [first.id, second.id], said.append, lambda: True)
    assert [(each.order_id, each.phase) for each in found] == [(first.id, "done"), (second.id, "refused")]
    assert said == [
        "pi-5: not received",
        "pi-4: not received",
        "pi-5: measuring",
        "pi-5: done, 0 of 1 measured",
        "pi-4: refused, 0 of 1 measured",
    ]
    assert clock.slept == 4


def test_a_look_reads_no_other_orders(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = order()
    add(store, {PI: mine, OTHER: order()}, BY, "plan.toml")
    note_states(store, [state(OrderProgress(id=mine.id, phase="done"))])
    read: list[tuple[object, ...]] = []
    tuples = store.tuples

    def noting(sql: str, *parameters: object) -> list[tuple[object, ...]]:
        read.extend(rows := list(tuples(sql, *parameters)))
        return rows

    monkeypatch.setattr(store, "tuples", noting)
    follow(store, [mine.id], lambda _: None, lambda: True)
    assert [row[0] for row in read] == [mine.id]


def test_following_ends_some_time_after_the_hub(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = order()
    add(store, {PI: mine}, BY, "plan.toml")
    clock = Clock()
    monkeypatch.setattr(following, "time", clock)
    starts_again, ends = 100.0 + HUB_PATIENCE_SECONDS - 1, 300.0

    def hub_runs() -> bool:
        return starts_again <= clock.now < ends

    (found,) = follow(store, [mine.id], lambda _: None, hub_runs)
    assert found.ended_at is None
    assert ends + HUB_PATIENCE_SECONDS - 6 <= clock.now <= ends + HUB_PATIENCE_SECONDS
