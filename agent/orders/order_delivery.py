"""What happens beside the runs of an order: results are delivered, and the state says how far it is."""

import time
from collections.abc import Callable

from agent.delivery.publisher import STAY_SECONDS, Publisher
from agent.orders.book import shortened
from agent.orders.desk import OrderDesk
from agent.progress import Progress
from agent.stop_signal import Stop
from agent.systemd_notify import Service
from contract.orders.progress import OrderPhase, OrderProgress


class OrderDelivery:
    """Delivers while an order is carried out, and stops the order if something else is to be done first.

    It is a `Delivery` for `agent.running.campaign`. Its methods raise `Interrupted` if the order has to stop.

    Args:
        order_id: the order.
        publisher: keeps the connection.
        desk: hears of newer orders.
        service: hears that this agent works.
        stop: ends the order.
        speak: prints what is new about the connection.
    """

    def __init__(
        self,
        order_id: str,
        publisher: Publisher,
        desk: OrderDesk,
        service: Service,
        stop: Stop,
        speak: Callable[[], None],
    ) -> None:
        self._order_id = order_id
        self._publisher = publisher
        self._desk = desk
        self._service = service
        self._stop = stop
        self._speak = speak
        self._checked_at = 0.0

    def show(self, phase: OrderPhase, reason: str = "") -> None:
        """Report a phase of the order in the state."""
        self._desk.show(OrderProgress(id=self._order_id, phase=phase, reason=shortened(reason)))

    def wait(self, phase: OrderPhase, reason: str) -> None:
        """Keep the connection during a wait; called about every second or more often.

        Args:
            phase: what the order waits in.
            reason: what it waits for, as a sentence.

        Raises:
            Interrupted: the order has to stop.
            Stopped: a signal came.
        """
        self.show(phase, reason)
        self._stop.check()
        self._service.alive(reason or phase)
        self._publisher.step()
        self._after_sending()

    def stay_connected(self) -> None:
        """Only keep the connection alive, between two turns of a trial of threads."""
        self._publisher.stay()
        self._desk.check(self._order_id)

    @property
    def delivered(self) -> int:
        """How many records a collector has confirmed."""
        return self._publisher.delivered

    @property
    def unanswered(self) -> int:
        """Of how many runs no collector has said whether it still has what it confirmed."""
        return self._publisher.unanswered

    def between(self, progress: Progress) -> None:
        """Send results and the state, between two chunks of questions."""
        number, rounds = progress.place or (None, None)
        self._desk.show(
            OrderProgress(
                id=self._order_id,
                phase="measuring",
                reason=shortened(progress.paused or progress.preparing or progress.stage or ""),
                bundle=progress.title,
                round=number,
                rounds=rounds,
            )
        )
        self._publisher.between(progress)
        self._after_sending()

    def meanwhile(self) -> None:
        """Keep the connection, and now and then look for orders that have come over it."""
        self._publisher.stay()
        if time.monotonic() - self._checked_at >= STAY_SECONDS:
            self._checked_at = time.monotonic()
            self._desk.check(self._order_id)

    def run_ended(self, run_id: str) -> None:
        """Do nothing: what is to be stored first is how far the order is."""

    def finish(self) -> None:
        """Do nothing: results are delivered while the next step is measured, or the next order."""

    def _after_sending(self) -> None:
        self._speak()
        self._desk.step(self._order_id)
        self._desk.check(self._order_id)
