"""Carries out one order: fetches what it names, then measures its steps as those of a plan."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from agent.delivery.publisher import STATE_SECONDS, Publisher
from agent.errors import BadInput, NotFetched, OutboxFull, StateUnusable
from agent.machine.telemetry import Telemetry
from agent.orders.book import Entry, OrderBook, names_of, shortened
from agent.orders.desk import Interrupted, OrderDesk
from agent.orders.fetching import Fetching
from agent.orders.order_delivery import OrderDelivery
from agent.orders.settings import OrderSettings
from agent.orders.shelf import Shelf
from agent.orders.steps import misfit, request_of, steps_of, timing_of
from agent.outbox.interrupted import end_as_interrupted
from agent.outbox.state_folder import OpenedState
from agent.planning.plan import OrderStep
from agent.planning.plan_file import Position, utc_time
from agent.planning.work import Say, wait_until_cool, work_through
from agent.running.campaign import measure_all, plans_of, read_named
from agent.stop_signal import Stopped
from agent.systemd_notify import Service
from commandline.program.messages import Problem
from contract.orders.order import OrderedRun
from contract.orders.progress import OrderPhase
from contract.records import RunFinished

MOST_STARTS: Final = 5
"""An order that was begun this many times in a row without getting any further has failed."""
WARM_MINUTES: Final = 15.0
"""For at least this long after an order, the machine may be warmer than when it is idle."""


class Carrying:
    """Carries out an order from where it is.

    Args:
        entry: the order.
        settings: the hub, and how much may be kept.
        state: the state folder.
        publisher: keeps the connection.
        book: remembers how far the order is.
        desk: hears of newer orders.
        service: hears that this agent works.
        say: prints a sentence for the user.
        speak: prints what is new about the connection.
    """

    def __init__(
        self,
        entry: Entry,
        settings: OrderSettings,
        state: OpenedState,
        publisher: Publisher,
        book: OrderBook,
        desk: OrderDesk,
        service: Service,
        say: Say,
        speak: Callable[[], None],
    ) -> None:
        self._order = entry.order
        self._settings = settings
        self._state = state
        self._publisher = publisher
        self._book = book
        self._desk = desk
        self._say = say
        self._delivery = OrderDelivery(entry.order.id, publisher, desk, service, state.stop, speak)
        self._shelf = Shelf(state.folder, settings.keep_bytes)
        self._steps = steps_of(entry.order)
        self._timing = timing_of(entry.order)
        self._measured = (0, 0, "")
        self._idle_celsius: float | None = None

    def carry_out(self) -> None:
        """Carry the order out, until all is measured, or it has ended, or it has to wait.

        Raises:
            Stopped: a signal came; the order continues from here at the next start.
            StateUnusable: its place cannot be stored.
        """
        self._say(f"order {self._order.id[:8]}: begins")
        seldom, self._publisher.state_seconds = self._publisher.state_seconds, STATE_SECONDS
        try:
            self._carry_out()
            self._desk.need_not_wait(self._order.id)
        except (NotFetched, OutboxFull) as error:
            self._wait(str(error))
            self._desk.postpone(self._order.id)
            self._say(Problem(f"order {self._order.id[:8]}: {error}; trying again"))
        except Interrupted as why:
            self._wait(str(why))
            self._desk.need_not_wait(self._order.id)
            self._say(f"order {self._order.id[:8]}: stopped: {why}")
        except Stopped:
            self._wait("the agent was stopped")
            raise
        finally:
            self._publisher.state_seconds = seldom
            self._desk.show(None)
            stated = self._timing.idle_celsius is not None  # by this order, for itself alone
            if self._idle_celsius is not None and not stated:
                self._book.note_idle(self._idle_celsius)

    def _carry_out(self) -> None:
        if not self._may_begin():
            return
        if reason := misfit(self._order):
            self._end("refused", reason)
            return
        try:
            self._delivery.show("fetching")
            needed = names_of(self._book.entries)
            fetching = Fetching(self._settings, self._state.device_id, self._shelf, needed)
            fetching.fetch(self._order, lambda doing: self._delivery.wait("fetching", doing))
        except BadInput as error:
            self._end("failed" if self._entry.measured else "refused", str(error))
            return
        work_through(
            len(self._steps), self._timing, self._position(), self._measure, self._cool, self._save, self._say
        )
        self._book.change(self._order.id, delivering=True)
        self._publisher.report_soon()
        self._say(f"order {self._order.id[:8]}: all is measured")

    @property
    def _entry(self) -> Entry:
        entry = self._book.entry(self._order.id)
        assert entry is not None, "it is open"
        return entry

    def _may_begin(self) -> bool:
        """Count this start; end the order if it was begun too often in vain."""
        entry = self._entry
        done = entry.position.done if entry.position else 0
        places = [self._state.outbox.unfinished(identity) for identity in entry.identities]
        reached = done, sum(place.asked for place in places if place is not None)
        starts = entry.starts + 1 if reached == entry.reached else 1
        if starts > MOST_STARTS:
            self._end("failed", f"the agent ended {MOST_STARTS} times at the same place: see its log")
            return False
        self._book.change(self._order.id, starts=starts, reached=reached, reason="")
        return True

    def _position(self) -> Position:
        """Where the order is, on a machine that has cooled down from what was measured before.

        If that was another order's a short while ago, the temperature of the idle machine is the one that
        order knew: it cannot be read now, and would rise from order to order.
        """
        position = self._entry.position
        if position is None:
            position = Position(self._order.id, utc_time())
            known = self._book.idle_celsius(max(WARM_MINUTES, self._timing.cool_down_minutes))
            if known is None:
                return position
            own = self._timing.idle_celsius
            position = replace(position, idle_celsius=known if own is None else own)
            self._save(position)
        self._idle_celsius = position.idle_celsius
        left = position.done < self._timing.rounds * len(self._steps)
        if left and position.idle_celsius is not None and self._timing.cool_down_minutes:
            self._cool(Telemetry(), position.idle_celsius)
        return position

    def _measure(self, number: int) -> bool:
        """Measure a step; return whether it failed."""
        step = self._steps[number % len(self._steps)]
        try:
            ends = self._measure_step(number, step)
        except BadInput as problem:
            self._say(Problem(f"cannot start this run: {problem}"))
            failed, failure = len(step.bundles), str(problem)
        else:
            reasons = [last.reason for last in ends if last.status == "failed"]
            failed, failure = len(reasons), reasons[-1] if reasons else ""
        entry = self._entry
        self._measured = entry.measured + len(step.bundles), entry.failed + failed, failure or entry.failure
        return failed > 0

    def _measure_step(self, number: int, step: OrderedRun) -> list[RunFinished]:
        """Measure a step; return the last record of each of its runs."""
        self._delivery.show("measuring")
        try:
            request = request_of(self._order, step, self._shelf)
        except OSError as error:
            raise StateUnusable(f"cannot write the canaries of an order: {error.strerror}") from None
        named = read_named(request, self._say)
        named = named._replace(questions=named.questions._replace(name=step.questions))
        plans = plans_of(
            request,
            named,
            self._state,
            self._settings.hardware_class,
            self._say,
            OrderStep(self._order.id, number),
            self._delivery.stay_connected,
        )
        identities = tuple(plan.identity for plan in plans)
        ends = [end for identity in identities if (end := self._state.outbox.run_end(identity)) is not None]
        if len(ends) == len(identities):
            return ends  # they ended, and then this process did, before it could note that
        self._end_others(self._entry.identities, identities)
        self._book.change(self._order.id, identities=identities)
        return measure_all(plans, self._state, self._delivery, self._say, resume=True)

    def _end_others(self, before: tuple[str, ...], now: tuple[str, ...]) -> None:
        """End interrupted runs that cannot be continued, since distilbench or the machine has changed.

        Raises:
            OutboxFull: the outbox has no room for their last records.
        """
        for identity in set(before) - set(now):
            if (place := self._state.outbox.unfinished(identity)) is not None:
                end_as_interrupted(self._state.outbox, place, "the run was interrupted and started over")

    def _save(self, position: Position) -> None:
        """Store a position, together with what was measured up to it."""
        entry = self._entry
        before = entry.position.done if entry.position else 0
        measured, failed, failure = entry.measured, entry.failed, entry.failure
        if position.done > before:
            measured, failed, failure = self._measured
        self._book.change(
            self._order.id, position=position, measured=measured, failed=failed, failure=shortened(failure)
        )
        self._idle_celsius = position.idle_celsius
        self._publisher.report_soon()
        if before < position.done < self._timing.rounds * len(self._steps):
            self._desk.check(self._order.id, between_runs=True)

    def _cool(self, telemetry: Telemetry, idle: float) -> None:
        def report(sentence: str) -> None:
            self._delivery.wait("cooling", sentence)

        wait_until_cool(telemetry, idle, self._timing, self._state.stop, report, self._say)

    def _wait(self, reason: str) -> None:
        entry = self._book.entry(self._order.id)
        if entry is not None:
            # An interruption that this process has survived is no failure of the order.
            self._book.change(self._order.id, reason=shortened(reason), starts=max(entry.starts - 1, 0))

    def _end(self, phase: OrderPhase, reason: str) -> None:
        self._desk.end(self._order.id, phase, reason)
        self._say(Problem(f"order {self._order.id[:8]}: {phase}: {reason}"))
