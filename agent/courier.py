"""Delivers the outbox: keeps a connection to the broker, sends what is due, forgets what is receipted."""

import random
import time
import uuid
from typing import Final, Literal

from agent.broker import Broker
from agent.clock import utc_now
from agent.device import agent_version
from agent.errors import NotDelivered
from agent.outbox import Outbox
from agent.run import Progress
from agent.sender import Sender
from agent.stop import Stop
from agent.uplink import Uplink
from contract.errors import ContractError
from contract.messages import Receipt, State, decode_message, encode_message

FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 20.0
STATE_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.1


class Courier:
    """Works a moment at a time, when it is told to `step`; in between nothing happens.

    Args:
        broker: where to, and with which credentials.
        device_id: decides the topics; the outbox holds results of this device only.
        outbox: its rows leave only by receipt.
    """

    def __init__(self, broker: Broker, device_id: str, outbox: Outbox) -> None:
        self._broker = broker
        self._device_id = device_id
        self._outbox = outbox
        self._sender = Sender(outbox)
        self._uplink: Uplink | None = None
        self._session_id = ""
        self._retry_at = 0.0
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._state_due_at = 0.0
        self._taken_over = False
        self.was_connected = False
        """Whether the broker has let this agent in at least once."""
        self.problem: str | None = None
        """The latest reason why results do not arrive, as one sentence; None while they do."""

    def step(self, progress: Progress | None = None, wait_seconds: float = 0.0) -> None:
        """Do what can be done now: connect, hear receipts, publish.

        Args:
            progress: goes into the agent's state.
            wait_seconds: how long to wait for the broker to say something.
        """
        if self._uplink is None:
            if self._taken_over or time.monotonic() < self._retry_at:
                return
            self._uplink = self._dial()
        uplink = self._uplink
        was_ready = uplink.phase == "ready"
        uplink.turn(wait_seconds)
        if uplink.phase == "ready":
            if not was_ready:
                self._welcome()
            self._hear(uplink)
            self._send(uplink, progress)
            uplink.turn()
        if uplink.phase == "lost":
            self._retry_later(uplink)

    def drain(self, seconds: float, stop: Stop) -> None:
        """Step until nothing waits, the time is up, a signal comes, or the device's id was taken over."""
        deadline = time.monotonic() + seconds
        while self._outbox.pending() and time.monotonic() < deadline:
            if stop.asked or self._taken_over:
                return
            self.step(wait_seconds=POLL_SECONDS)
            if self._uplink is None:
                stop.wait(POLL_SECONDS)

    def check(self) -> None:
        """Return, or say what keeps results from arriving. A collector that is not there is no problem.

        Raises:
            NotDelivered: the broker was never reached, refuses something, or knows another agent as this one.
        """
        pending = self._outbox.pending()
        problem = self.problem
        if problem is None and not self.was_connected:
            problem = f"{self._broker.shown} does not answer"
        if pending and problem is not None:
            raise NotDelivered(f"{problem}; {pending} results are kept, and 'agent flush' sends them")

    def close(self) -> None:
        """Say goodbye, if anyone listens."""
        if self._uplink is not None:
            if self._uplink.phase == "ready":
                self._publish_state(self._uplink, "disconnected", None)
            self._uplink.close()
            self._uplink = None

    def _dial(self) -> Uplink:
        self._session_id = uuid.uuid4().hex
        will = State(
            device_id=self._device_id,
            session_id=self._session_id,
            state="lost",
            reason="the connection broke",
            agent_version=agent_version(),
        )
        return Uplink(self._broker, self._device_id, encode_message(will))

    def _welcome(self) -> None:
        self.was_connected = True
        self.problem = None
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._state_due_at = 0.0

    def _hear(self, uplink: Uplink) -> None:
        for payload in uplink.receipts():
            try:
                receipt = decode_message(payload)
            except ContractError as error:
                self.problem = f"a receipt cannot be read: {error}"
                continue
            if not isinstance(receipt, Receipt) or receipt.device_id != self._device_id:
                continue
            if self._sender.take(receipt):
                self.problem = None
        refusal = uplink.refusal()
        if refusal is not None:
            self.problem = refusal
        if uplink.unheard() or refusal is not None:
            self._sender.hold()

    def _send(self, uplink: Uplink, progress: Progress | None) -> None:
        if time.monotonic() >= self._state_due_at:
            self._publish_state(uplink, "connected", progress)
            self._state_due_at = time.monotonic() + STATE_SECONDS
        while (packed := self._sender.next(uplink.max_bytes)) is not None:
            uplink.publish("results", packed.payload)

    def _publish_state(
        self, uplink: Uplink, state: Literal["connected", "disconnected"], progress: Progress | None
    ) -> None:
        summary = self._outbox.summary()
        message = State(
            device_id=self._device_id,
            session_id=self._session_id,
            state=state,
            reason=self.problem or "",
            at=utc_now(),
            agent_version=agent_version(),
            pending=summary.pending,
            dropped=summary.dropped,
            run_id=progress.run_id if progress else None,
            answered=progress.answered if progress else None,
            selected=progress.selected if progress else None,
            temperature_celsius=progress.temperature_celsius if progress else None,
        )
        uplink.publish("state", encode_message(message), retain=True)

    def _retry_later(self, uplink: Uplink) -> None:
        self.problem = uplink.problem
        self._taken_over = uplink.taken_over
        self._uplink = None
        self._sender.restart()
        jitter = random.random()  # noqa: S311 - spreads reconnects, guards nothing
        self._retry_at = time.monotonic() + self._retry_seconds * (0.5 + 0.5 * jitter)
        self._retry_seconds = min(2 * self._retry_seconds, MAX_RETRY_SECONDS)
