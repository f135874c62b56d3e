"""How orders are carried out one after the other, without a hub: what waits, fails and cools down."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from agent.errors import NotFetched, OutboxFull
from agent.orders import book, carrying, fetching
from agent.outbox.state_folder import OpenedState
from agent.planning import work
from agent.planning.plan import Plan
from agent.planning.plan_file import utc_time
from contract.messages import Stream
from contract.orders.order import Order
from contract.records import RunFinished, RunStatus
from tests.agent.orders.board import DEVICE, Board, board_in, order_on
from tests.agent.records import NOW
from tests.collector.factory import finished, started


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing is noted after it."""


class Measuring:
    """Stands in for the measurement of a step: it only records that each run began and ended."""

    def __init__(self) -> None:
        self.status: RunStatus | None = "complete"
        """How each run ends; None if the process is killed before."""
        self.dies = False
        """Whether the process is killed after the last record, before the end is noted."""
        self.steps = 0

    def __call__(self, plans: Sequence[Plan], state: OpenedState, *_: Any, **__: Any) -> list[RunFinished]:
        self.steps += 1
        ends = []
        for plan in plans:
            place = state.outbox.begin(uuid.uuid4().hex, DEVICE, plan.identity)
            place = place._replace(next_seq=1)
            first = replace(started(), order=plan.step.order if plan.step else None)
            state.outbox.append(place, [first], NOW)
            if self.status is None:
                raise Killed
            last = finished(
                1, status=self.status, reason="it was too large" if self.status == "failed" else ""
            )
            state.outbox.append(place._replace(next_seq=2, finished=True), [last], NOW)
            ends.append(last)
        if self.dies:
            raise Killed
        return ends


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Measuring:
    stub = Measuring()
    monkeypatch.setattr(carrying, "measure_all", stub)
    return stub


@pytest.fixture(autouse=True)
def _hub_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise NotFetched("the hub cannot be reached")

    monkeypatch.setattr(fetching, "reached", away)


@pytest.fixture
def board(state_dir: Path, tiny_bundle: Path, questions: Path) -> Iterator[Board]:
    with board_in(state_dir) as board:
        board.shelve(tiny_bundle, questions)
        yield board


@pytest.fixture
def order(tiny_bundle: Path, questions: Path) -> Order:
    return order_on(tiny_bundle, questions)


def confirm(board: Board, order: Order) -> None:
    """Confirm the results of one order only, as a collector does."""
    runs = {row.run_id for row in board.state.outbox.rows(0, 1000) if order.id.encode() in row.body}
    assert runs
    for run_id in runs:
        board.state.outbox.confirm("c", Stream(run_id=run_id, stored=((0, 1),)))


def test_an_order_is_done_when_its_own_results_have_arrived(
    board: Board, order: Order, measuring: Measuring
) -> None:
    other = replace(order, id=uuid.uuid4().hex)
    board.take(order, other)
    board.carry_out()
    assert board.progress(order).phase == "delivering"
    board.carry_out()
    confirm(board, order)
    board.desk.step()
    assert (board.progress(order).phase, board.progress(other).phase) == ("done", "delivering")
    confirm(board, other)
    board.desk.step()
    assert board.progress(other).phase == "done"
    assert measuring.steps == 4


def test_an_order_is_done_while_another_one_is_measured(
    board: Board, order: Order, measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, cancelled = (replace(order, id=uuid.uuid4().hex) for _ in range(2))
    board.take(order, other, cancelled)
    board.carry_out()
    phases: list[list[str]] = []

    def while_it_measures(*arguments: Any, **options: Any) -> list[RunFinished]:
        confirm(board, order) if not phases else None
        board.take(order, other, replace(cancelled, cancelled=True))
        arguments[2].wait("measuring", "")
        phases.append([board.progress(each).phase for each in (order, other, cancelled)])
        return measuring(*arguments, **options)

    monkeypatch.setattr(carrying, "measure_all", while_it_measures)
    board.carry_out()
    assert phases == [["done", "measuring", "cancelled"]] * 2


def test_an_order_that_cannot_be_fetched_keeps_no_other_waiting(
    board: Board, order: Order, measuring: Measuring
) -> None:
    lacking = replace(order, id=uuid.uuid4().hex, bundles={"tiny": "ab" * 32})
    board.take(lacking, order)
    assert [entry.order.id for _ in range(2) if (entry := board.carry_out())] == [lacking.id, order.id]
    assert measuring.steps == 2 and board.progress(order).phase == "delivering"
    assert board.progress(lacking).reason == "the hub cannot be reached"
    assert board.carry_out() is None, "it is too early to try again"
    assert board.desk.has_work


def test_a_bundle_that_the_hub_has_renamed_is_here(board: Board, order: Order, measuring: Measuring) -> None:
    run = replace(order.runs[0], bundles=("small",), questions="music.json")
    renamed = replace(
        order,
        id=uuid.uuid4().hex,
        bundles={"small": order.bundles["tiny"]},
        questions={"music.json": order.questions["songs.json"]},
        runs=(run,),
    )
    board.take(order, renamed)
    board.carry_out()
    board.carry_out()
    assert (board.progress(renamed).phase, measuring.steps) == ("delivering", 3)


def test_questions_that_have_no_room_are_not_kept(
    board: Board, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch_large_questions(*arguments: Any) -> None:
        *_, check, _ = arguments
        check(board.settings.keep_bytes + 1)

    monkeypatch.setattr(fetching, "reached", lambda *_: None)
    monkeypatch.setattr(fetching, "fetch_questions", fetch_large_questions)
    board.take(replace(order, questions={"songs.json": "ab" * 32}))
    board.carry_out()
    (ended,) = board.book.progress
    assert ended.phase == "refused" and "--keep-mib" in ended.reason


@pytest.mark.parametrize(("status", "failed"), [("failed", 1), ("complete", 0)])
def test_a_kill_between_a_run_and_the_note_forgets_no_failure(
    state_dir: Path,
    board: Board,
    order: Order,
    measuring: Measuring,
    status: RunStatus,
    failed: int,
) -> None:
    board.take(order)
    measuring.status, measuring.dies = status, True
    with pytest.raises(Killed):
        board.carry_out()
    assert board.progress(order).measured == 0
    again = Board(board.state, board.said)  # the next process
    measuring.status, measuring.dies = "complete", False
    again.carry_out()
    assert measuring.steps == 2, "the first run is not repeated"
    assert (again.progress(order).measured, again.progress(order).failed) == (2, failed)
    confirm(again, order)
    again.desk.step()
    last = again.progress(order)
    assert (last.phase, last.reason) == (("failed", "it was too large") if failed else ("done", ""))


def test_a_run_that_was_interrupted_and_started_over_has_not_ended(
    board: Board, order: Order, measuring: Measuring
) -> None:
    board.take(order)
    measuring.status, measuring.dies = "interrupted", True
    with pytest.raises(Killed):
        board.carry_out()
    measuring.status, measuring.dies = "complete", False
    board.carry_out()
    assert measuring.steps == 3
    assert (board.progress(order).measured, board.progress(order).failed) == (2, 0)


def test_an_outbox_without_room_lets_an_order_wait(
    board: Board, order: Order, measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that was begun cannot be continued, since distilbench has changed: it has to be ended."""
    board.take(order)
    measuring.status = None
    with pytest.raises(Killed):
        board.carry_out()
    measuring.status = "complete"

    def full(*_: object) -> None:
        raise OutboxFull("the outbox waits for receipts")

    with monkeypatch.context() as patch:
        patch.setattr(Plan, "identity", property(lambda plan: f"another {plan.step}"))
        patch.setattr(board.state.outbox, "append_together", full)
        for _ in range(2 * carrying.MOST_STARTS):
            board.desk._postponed.clear()
            board.carry_out()
        waits = board.progress(order)
        assert (waits.phase, waits.reason) == ("waiting", "the outbox waits for receipts")
    board.desk._postponed.clear()
    board.carry_out()
    assert board.progress(order).phase == "delivering"


class Thermometer:
    """The temperature of the board, which cools down by one degree per look, to 40 °C."""

    def __init__(self) -> None:
        self.celsius = 40.0
        self.at_start: list[float] = []
        """The temperature when each step began."""

    def read(self) -> SimpleNamespace:
        now = self.celsius
        self.celsius = max(now - 1, 40.0)
        return SimpleNamespace(temperature_celsius=now)


@pytest.fixture
def thermometer(measuring: Measuring, monkeypatch: pytest.MonkeyPatch) -> Thermometer:
    thermometer = Thermometer()

    def heat(*arguments: Any, **options: Any) -> list[RunFinished]:
        thermometer.at_start.append(thermometer.celsius)
        thermometer.celsius = 70.0
        return measuring(*arguments, **options)

    monkeypatch.setattr(work, "Telemetry", lambda: thermometer)
    monkeypatch.setattr(carrying, "Telemetry", lambda: thermometer)
    monkeypatch.setattr(carrying, "measure_all", heat)
    monkeypatch.setattr("agent.machine.cooldown.LOOK_SECONDS", 0.001)
    return thermometer


def idle(board: Board, order: Order) -> float | None:
    entry = board.book.entry(order.id)
    assert entry is not None and entry.position is not None
    return entry.position.idle_celsius


def test_the_machine_cools_down_between_two_orders(
    board: Board, order: Order, thermometer: Thermometer
) -> None:
    first, second, third = (
        replace(order, id=uuid.uuid4().hex, cool_down_minutes=minutes) for minutes in (5.0, 5.0, 0.0)
    )
    board.take(first, second, third)
    for _ in range(2):
        board.carry_out()
    # It is as warm as that within 3 degrees; a thermometer that was read falls by another degree here.
    assert thermometer.at_start == [40.0, 42.0, 42.0, 42.0]
    assert (idle(board, first), idle(board, second)) == (40.0, 40.0), "it does not rise from order to order"
    board.carry_out()
    assert thermometer.at_start[4:] == [70.0, 70.0], "an order that wants no pause has none"
    assert idle(board, third) == 40.0, "a later one may want one"


def test_an_order_continues_on_a_machine_that_has_cooled_down(
    board: Board, order: Order, thermometer: Thermometer, measuring: Measuring
) -> None:
    first = replace(order, cool_down_minutes=5.0)
    board.take(first)
    measuring.dies = True
    with pytest.raises(Killed):
        board.carry_out()
    measuring.dies = False
    urgent = replace(first, id=uuid.uuid4().hex, now=True)
    board.take(first, urgent)
    assert [entry.order.id for _ in range(2) if (entry := board.carry_out())] == [urgent.id, first.id]
    assert max(thermometer.at_start) <= 42.0
    assert len(thermometer.at_start) == 4
    assert idle(board, urgent) == idle(board, first) == 40.0


def test_an_idle_temperature_that_an_order_states_is_for_itself_alone(
    board: Board, order: Order, thermometer: Thermometer
) -> None:
    stating = replace(order, id=uuid.uuid4().hex, cool_down_minutes=5.0, idle_celsius=60.0)
    after = replace(order, id=uuid.uuid4().hex, cool_down_minutes=5.0)
    board.take(stating, after)
    for _ in range(2):
        board.carry_out()
        thermometer.celsius = 40.0
    assert (idle(board, stating), idle(board, after)) == (60.0, 40.0)


def test_an_older_measurement_has_left_no_heat(
    board: Board, order: Order, thermometer: Thermometer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is summer now: 55 °C is as cool as the machine gets."""
    first, second = (replace(order, id=uuid.uuid4().hex, cool_down_minutes=5.0) for _ in range(2))
    board.take(first, second)
    board.carry_out()
    later = utc_time() + timedelta(minutes=carrying.WARM_MINUTES + 1)
    monkeypatch.setattr(book, "utc_time", lambda: later)
    thermometer.celsius = 55.0
    board.carry_out()
    assert idle(board, second) == 55.0
