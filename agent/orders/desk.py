"""Takes the messages of orders, answers what is to be done next, and ends what is over."""

import time
from typing import Final, NamedTuple

from agent.delivery.publisher import Publisher
from agent.errors import OutboxFull
from agent.orders.book import Entry, OrderBook
from agent.orders.settings import OrderSettings
from agent.outbox.folder_lock import is_wanted
from agent.outbox.interrupted import end_as_interrupted
from agent.outbox.state_folder import OpenedState
from commandline.mqtt_client import MOST_TAKEOVER_SECONDS
from contract.errors import ContractError
from contract.orders.progress import OrderPhase, OrderProgress
from contract.orders.sealed import open_orders

CALM_SECONDS: Final = 2 * MOST_TAKEOVER_SECONDS
"""Nothing is measured for orders until this long after another agent took this one's name at the broker."""
FIRST_RETRY_SECONDS: Final = 20.0
MAX_RETRY_SECONDS: Final = 300.0
"""Longest pause between two attempts to carry out an order that has to wait, such as for the hub."""
_LOOK_SECONDS: Final = 1.0
"""How often to look whether another agent wants the state folder."""
TWO_BOARDS: Final = (
    "another device has this one's identity, so neither carries out orders: give it an identity of its own"
)
OTHER_AGENT: Final = "another agent works with the state folder"
OTHER_ORDER: Final = "another order is carried out first"


class Interrupted(Exception):
    """The order that is carried out has to stop now.

    Args:
        reason: why, as a sentence.
    """


class _Postponed(NamedTuple):
    """When an order is tried again."""

    at: float
    """By the monotonic clock."""
    pause_seconds: float


class OrderDesk:
    """The open orders of a device while it is connected.

    Args:
        settings: the secret, and the hub.
        state: the state folder.
        publisher: receives orders, and sends the device's state.
        book: remembers orders.
    """

    def __init__(
        self, settings: OrderSettings, state: OpenedState, publisher: Publisher, book: OrderBook
    ) -> None:
        self._settings = settings
        self._state = state
        self._publisher = publisher
        self._book = book
        self._looked_at = 0.0
        self._postponed: dict[str, _Postponed] = {}
        self.problem: str | None = None
        """Why orders are ignored, as one sentence."""

    def next(self) -> Entry | None:
        """The order that is to be carried out now; None if there is none."""
        return next((each for each in self._open if self._is_due(each)), None) if self._calm else None

    @property
    def has_work(self) -> bool:
        """Whether an order is to be carried out, now or later."""
        return bool(self._open)

    def postpone(self, order_id: str) -> None:
        """Try an order again later, since it has to wait; meanwhile the others have their turn."""
        before = self._postponed.get(order_id)
        pause = FIRST_RETRY_SECONDS if before is None else min(2 * before.pause_seconds, MAX_RETRY_SECONDS)
        self._postponed[order_id] = _Postponed(time.monotonic() + pause, pause)

    def need_not_wait(self, order_id: str) -> None:
        """Note that an order could be carried out, so that its next wait is a short one again."""
        self._postponed.pop(order_id, None)

    def step(self, carried_out: str | None = None) -> None:
        """Read orders that have come, end those that are cancelled, and those whose results have arrived.

        Args:
            carried_out: the order that is carried out now, which `check` ends.

        Raises:
            StateUnusable: what has changed cannot be stored.
        """
        self._take()
        for entry in self._book.entries:
            if entry.order.id == carried_out:
                continue
            if entry.order.cancelled and not entry.delivering:
                self._end(entry, "cancelled", "the collector has cancelled it")
            elif entry.delivering and not self._state.outbox.waits_for(entry.order.id):
                phase: OrderPhase = "failed" if entry.failed else "done"
                self._end(entry, phase, entry.failure)
        if not self._calm and self._book.entries:
            self.problem = TWO_BOARDS
        elif self.problem == TWO_BOARDS:
            self.problem = None

    def check(self, order_id: str, *, between_runs: bool = False) -> None:
        """Return if an order that is carried out may continue.

        Args:
            order_id: the order.
            between_runs: whether no run of it is under way. Only then an order that had to wait before may
                come first again, since it perhaps still has to wait.

        Raises:
            Interrupted: it has to stop.
            StateUnusable: what has changed cannot be stored.
        """
        self._take()
        entry = self._book.entry(order_id)
        if entry is None or entry.order.cancelled:
            raise Interrupted("it was cancelled")
        if not self._calm:
            raise Interrupted(TWO_BOARDS)
        for each in self._open:
            if each.order.id == order_id:
                break
            first_again = between_runs and self._is_due(each)
            if first_again or (each.order.now and each.order.id not in self._postponed):
                raise Interrupted(OTHER_ORDER)
        if time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = time.monotonic()
            if is_wanted(self._state.folder):
                raise Interrupted(OTHER_AGENT)

    def end(self, order_id: str, phase: OrderPhase, reason: str) -> None:
        """Note that an order has ended, and end the runs that it has not finished.

        Raises:
            StateUnusable: it cannot be stored.
        """
        entry = self._book.entry(order_id)
        if entry is not None:
            self._end(entry, phase, reason)

    def show(self, doing: OrderProgress | None) -> None:
        """Note what is done now, and report it soon if it is something else than before."""
        before, self._book.doing = self._book.doing, doing
        if _place(before) != _place(doing):
            self._publisher.report_soon()

    @property
    def _calm(self) -> bool:
        """Whether no other agent has taken this one's name at the broker for a while."""
        return self._publisher.seconds_since_takeover >= CALM_SECONDS

    @property
    def _open(self) -> list[Entry]:
        """The orders that are not measured to their end, in the order in which they are carried out."""
        return [entry for entry in self._book.entries if not entry.delivering]

    def _is_due(self, entry: Entry) -> bool:
        postponed = self._postponed.get(entry.order.id)
        return postponed is None or time.monotonic() >= postponed.at

    def _take(self) -> None:
        for payload in self._publisher.orders():
            if not payload:
                continue  # a retained message was removed
            try:
                orders = open_orders(payload, self._state.device_id, self._settings.secret)
            except ContractError as error:
                self.problem = f"orders are ignored: {error}"
                continue
            self.problem = self._book.accept(orders)
            if self.problem is None:
                self._postponed.clear()  # the hub is there, or its broker is there again
            self._publisher.report_soon()

    def _end(self, entry: Entry, phase: OrderPhase, reason: str) -> None:
        """End an order in such an order that a kill in between loses nothing: its runs first."""
        for identity in entry.identities:
            if (place := self._state.outbox.unfinished(identity)) is not None:
                try:
                    end_as_interrupted(self._state.outbox, place, f"the order ended: {reason}")
                except OutboxFull:
                    return  # as soon as there is room
        self._book.end(entry.order.id, phase, reason)
        self._publisher.report_soon()


def _place(doing: OrderProgress | None) -> tuple[object, ...] | None:
    """What of a progress is reported at once if it changes."""
    return None if doing is None else (doing.phase, doing.bundle, doing.round)
