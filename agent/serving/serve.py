"""Stays connected until a signal comes: reports the device's state, delivers its results, carries out orders.

It imports nothing that only a measurement needs, so that a waiting board has its memory for itself. For an
order it does, and afterwards a new process takes its place. Another agent on the same state folder has
priority: this one gives the folder up, disconnects so that it disturbs no measurement, and comes back when
the folder is free.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.delivery.destination import CLIENT_FILE, Say
from agent.delivery.publisher import Publisher
from agent.errors import StateBusy
from agent.orders.book import OrderBook
from agent.orders.desk import OrderDesk
from agent.orders.settings import OrderSettings
from agent.outbox.folder_lock import is_wanted
from agent.outbox.state_folder import OpenedState, opened_state
from agent.outbox.summary import newly_refused
from agent.stop_signal import Stop, Stopped, signals_held_back
from agent.systemd_notify import Service
from commandline.broker_address import BrokerAddress
from commandline.counted import counted
from commandline.program.messages import Problem
from contract.codec import printable

LOOK_SECONDS: Final = 1.0
"""How often this agent looks whether another one wants the state folder."""
BUSY_SECONDS: Final = 2.0
"""How often this agent tries to lock a state folder in which another one works."""
STATE_SECONDS: Final = 15.0
"""How often a waiting device reports that it is there."""
WAITS: Final = "waits for work"
STARTS_AGAIN: Final = "the orders are carried out; this agent starts again, to free its memory"
GIVES_WAY: Final = "another agent works with the state folder; this one waits until it has ended"


def serve(
    broker: BrokerAddress,
    state_dir: Path | None,
    device_id: str | None,
    say: Say,
    service: Service,
    orders: OrderSettings | None = None,
) -> None:
    """Wait for work, and deliver what is in the outbox, until SIGTERM or SIGINT.

    Args:
        broker: the broker's address and credentials.
        state_dir: the state folder; None for the default one.
        device_id: the id that the user chose; None for the one in the state folder.
        say: prints a sentence for the user.
        service: hears that this agent is ready, that its loop runs, and that it ends.
        orders: how this device takes orders; None if it takes none.

    Raises:
        BadInput: the device id cannot be used.
        StateUnusable: the state folder cannot be used.
    """
    said_busy = False
    with Stop() as stop:
        while not stop.asked:
            try:
                with opened_state(state_dir, device_id, say, serving=True) as state:
                    service.ready()
                    said_busy = False
                    attendance = _Attendance(broker, state, say, service, orders)
                    _attend(attendance)
                    if attendance.is_heavy:
                        _start_again(stop)  # before another agent can begin in the state folder
            except StateBusy:
                if not said_busy:
                    service.ready()
                    say(GIVES_WAY)
                said_busy = True
                service.alive(GIVES_WAY)
                stop.wait(BUSY_SECONDS)
    service.stopping()


def _attend(attendance: "_Attendance") -> None:
    """Serve while nobody else wants the state folder and no signal has come."""
    try:
        while attendance.continues():
            attendance.step()
    finally:
        attendance.close()


def _start_again(stop: Stop) -> None:
    """Replace this process by a new one with the same command line and process id, and little memory.

    Its files are closed with it, and with them the lock of the state folder ends. Return if a signal has
    come, or if Python is no longer where it was.
    """
    with signals_held_back():
        if not stop.asked:
            with suppress(OSError):
                os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the program that runs already


class _Attendance:
    """One period in which this agent has the state folder, and what it has said in it."""

    def __init__(
        self,
        broker: BrokerAddress,
        state: OpenedState,
        say: Say,
        service: Service,
        orders: OrderSettings | None,
    ) -> None:
        self._state = state
        self._say = say
        self._service = service
        self._settings = orders
        book = None if orders is None else OrderBook(state.folder, state.device_id, say)
        self._publisher = Publisher(
            broker, state.device_id, state.outbox, state.folder / CLIENT_FILE, STATE_SECONDS, taken=book
        )
        self._publisher.occupation = WAITS
        self.is_heavy = False
        """Whether this process has loaded what a measurement needs, to carry out orders."""
        if orders is not None and book is not None:
            self._book = book
            self._desk = OrderDesk(orders, state, self._publisher, book)
        self._refused = state.outbox.refused()
        self._said: set[str] = set()
        self._connected = False
        self._delivered = 0

    def continues(self) -> bool:
        """Whether to serve on; if another agent wants the folder, the state that is sent last says so."""
        if self._state.stop.asked:
            self._publisher.occupation = ""
            return False
        if is_wanted(self._state.folder):
            self._publisher.occupation = GIVES_WAY
            return False
        if self.is_heavy and not self._desk.has_work:
            self._publisher.occupation = STARTS_AGAIN
            return False
        return True

    def step(self) -> None:
        """Do what can be done now, after waiting for the broker at most until the next look around."""
        publisher = self._publisher
        publisher.wait(LOOK_SECONDS, self._state.stop)
        publisher.step()
        self._speak()
        where = f"{'' if publisher.connected else 'not '}connected to {publisher.broker}"
        self._service.alive(f"{WAITS}; {publisher.problem or where}")
        if self._settings is not None:
            self._attend_to_orders(self._settings)

    def _attend_to_orders(self, settings: OrderSettings) -> None:
        self._desk.step()
        problem = self._desk.problem
        self._publisher.occupation = problem or WAITS
        if problem is not None and problem not in self._said:
            self._said.add(problem)
            self._say(Problem(problem))
        entry = self._desk.next()
        if entry is None:
            return
        from agent.orders.carrying import Carrying  # most boards wait most of the time

        self.is_heavy = True
        carrying = Carrying(
            entry,
            settings,
            self._state,
            self._publisher,
            self._book,
            self._desk,
            self._service,
            self._say,
            self._speak,
        )
        with suppress(Stopped):  # the loop ends
            carrying.carry_out()
        self._desk.step()

    def close(self) -> None:
        """Send a last state and disconnect; what is not delivered stays in the outbox."""
        self._publisher.close()
        for each in newly_refused(self._refused, self._state.outbox.refused()):
            were = counted(each.count, "result was refused and is", "results were refused and are")
            self._say(f"{were} kept here, not sent again: {printable(each.reason)}")

    def _speak(self) -> None:
        """Say what is new; a problem is said once per connection, not at every attempt."""
        publisher = self._publisher
        if publisher.connected and not self._connected:
            self._said.clear()
            self._say(f"connected to {publisher.broker} as '{self._state.device_id}'; {WAITS}")
        self._connected = publisher.connected
        if publisher.problem is not None and publisher.problem not in self._said:
            self._said.add(publisher.problem)
            self._say(Problem(f"{publisher.problem}; trying again, and results are kept"))
        if publisher.notice is not None and publisher.notice not in self._said:
            self._said.add(publisher.notice)
            self._say(publisher.notice)
        if publisher.delivered > self._delivered and not self._state.outbox.pending():
            self._say(f"{counted(publisher.delivered - self._delivered, 'result')} delivered")
            self._delivered = publisher.delivered
