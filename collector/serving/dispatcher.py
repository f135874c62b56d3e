"""Publishes the orders of devices, and writes down what the devices report about them.

Each device has one retained message with all of its open orders, sealed with the device's secret. It is
published when its revision is not the one that was published on this connection: after a command changed the
list, after an order ended, and for every device after the collector has connected, since the broker may have
lost what it kept. If a connected device goes on reporting an older revision, it is published again.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from collector.errors import CollectorError
from collector.orders.order_rows import AWAY, ListState, list_states, order_list
from collector.orders.state_reports import is_old_will, note_states, state_in
from collector.store.database import Store
from commandline.program.messages import Problem
from contract.errors import Malformed
from contract.messages import State
from contract.orders.progress import OrderProgress
from contract.orders.sealed import seal_orders

LOOK_SECONDS: Final = 0.5
"""How often the database is asked for changed lists."""
AGAIN_SECONDS: Final = 30.0
"""A list that its device has not accepted is published again after this many seconds."""

_ALL: Final = ""
"""Stands for all devices in the problems that were printed."""

Secrets = Callable[[], Mapping[str, str]]
"""Returns the secret of each device that has joined."""


class _Published(NamedTuple):
    """What was published for a device on this connection."""

    revision: int
    secret: str
    at: float


class _Reported(NamedTuple):
    """What of a device's state is written down; a state that is equal in it is not written again."""

    state: str
    revision: int | None
    orders: tuple[OrderProgress, ...]


class Dispatcher:
    """The orders of the devices of a hub, as long as a server runs.

    Args:
        store: the database, which the server's thread writes.
        secrets: returns the secret of each device that has joined.
        send: publishes a message for a device; False without a connection.
        say: prints a line for the operator.
    """

    def __init__(
        self,
        store: Store,
        secrets: Secrets,
        send: Callable[[str, bytes], bool],
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._send = send
        self._say = say
        self._published: dict[str, _Published] = {}
        self._sessions: dict[str, str] = {}
        self._reported: dict[str, _Reported] = {}
        self._waiting: dict[str, State] = {}
        self._looked_at = float("-inf")
        self._complaints: dict[str, str] = {}

    def connected(self) -> None:
        """Note a new connection: everything is published again."""
        self._published.clear()
        self._looked_at = float("-inf")

    def take(self, sender: str, data: bytes) -> None:
        """Receive a state; the latest of a device counts, and no will of an old session.

        Args:
            sender: the device on whose topic it arrived.
            data: the message's bytes.
        """
        state = state_in(data, sender)
        if state is not None and not is_old_will(state, self._sessions.get(sender)):
            self._sessions[sender] = state.session_id
            self._waiting[sender] = state

    def tick(self) -> None:
        """Write down what was reported, and publish what has changed. A problem is printed once."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            secrets = self._secrets()
            self._note(secrets)
            self._publish(secrets, now)
        except CollectorError as error:
            self._complain(_ALL, f"orders are neither sent nor followed now: {error}")
        else:
            self._complaints.pop(_ALL, None)

    def _note(self, joined: Collection[str]) -> None:
        """Write the states of devices that have joined, as far as they say something new."""
        waiting, self._waiting = self._waiting, {}
        fresh = {}
        for device_id, state in waiting.items():
            if device_id not in joined:
                self._sessions.pop(device_id, None)
                continue
            reported = _Reported(state.state, state.orders_revision, state.orders)
            if self._reported.get(device_id) != reported:
                fresh[device_id] = reported
        if not fresh:
            return
        try:
            note_states(self._store, [waiting[device_id] for device_id in fresh])
        except CollectorError:
            self._waiting = waiting | self._waiting
            raise
        self._reported |= fresh

    def _publish(self, secrets: Mapping[str, str], now: float) -> None:
        for device_id, state in list_states(self._store).items():
            secret = secrets.get(device_id)
            if not state.revision or secret is None or not self._is_due(state, secret, now):
                continue
            orders = order_list(self._store, device_id)
            if orders is None:
                continue
            try:
                message = seal_orders(orders, secret)
            except Malformed as error:
                self._complain(device_id, f"the orders of {device_id} cannot be sent: {error}")
                continue
            if not self._send(device_id, message):
                return
            self._published[device_id] = _Published(orders.revision, secret, now)
            self._complaints.pop(device_id, None)

    def _is_due(self, state: ListState, secret: str, now: float) -> bool:
        before = self._published.get(state.device_id)
        if before is None or (before.revision, before.secret) != (state.revision, secret):
            return True
        reported = self._reported.get(state.device_id)
        missed = (
            reported is not None
            and reported.state not in AWAY
            and reported.revision is not None
            and reported.revision < state.revision
        )
        return missed and now - before.at > AGAIN_SECONDS

    def _complain(self, about: str, sentence: str) -> None:
        """Print a problem, unless it was printed before and has lasted since.

        Args:
            about: the device whose problem it is, or `_ALL`.
            sentence: the problem.
        """
        if self._complaints.get(about) != sentence:
            self._say(Problem(sentence))
            self._complaints[about] = sentence
