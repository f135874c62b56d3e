"""Delivers the outbox: keeps a connection to the broker, sends what is due, deletes what has a receipt."""

import logging
import random
import time
import uuid
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Final, Literal

from agent.delivery.mqtt_version import MqttVersion
from agent.delivery.sender import Sender
from agent.delivery.uplink import Uplink
from agent.errors import NotDelivered, OutboxFull
from agent.machine.device import agent_version
from agent.outbox.outbox import Outbox
from agent.outbox.summary import LinkState
from agent.progress import OrdersTaken, Progress
from agent.stop_signal import Stop
from commandline.broker_address import BrokerAddress
from commandline.clock import utc_now
from commandline.connection.advice import OLDER_PROTOCOL
from commandline.counted import counted
from commandline.mqtt_client import TakeoverPatience, kept_secret, new_secret
from contract.errors import ContractError
from contract.messages import Receipt, State, decode_message, encode_message

_LOG: Final = logging.getLogger("distilbench.agent")
FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 20.0
RETRY_GROWTH: Final = 1.5
"""How many times as long as the one before each wait is: a cluster without one of its nodes refuses many
attempts to connect, and accepts the next one."""
STATE_SECONDS: Final = 5.0
SETTLE_SECONDS: Final = 3.0
"""How long to wait for the broker to accept the agent before minutes in which nothing is sent."""
STAY_SECONDS: Final = 2.0
"""Seconds between two looks at an idle connection: a broker closes it after 1.5 keepalive intervals."""
POLL_SECONDS: Final = 0.1
SHORT_CONNECTION_SECONDS: Final = 10.0
SHORT_CONNECTIONS: Final = 3
"""This many in a row suggest two agents that take over each other's session; few brokers report it.
The broker itself does not fail then: each attempt to connect again succeeds."""
FOREIGN_RECEIPTS: Final = 3
"""This many receipts for runs that this agent does not know suggest a second device with its id."""
SILENCE_SECONDS: Final = 180.0
"""If no receipt arrives for this long although a collector is there, a new connection is tried."""


class Publisher:
    """Publishes results and the agent's state; it works only while one of its methods runs.

    Args:
        broker: the broker's address and credentials; its other hosts are tried in turn if it is not there.
        device_id: decides the topics; the outbox holds results of this device only.
        outbox: its rows are deleted only when a receipt confirms them.
        secret_file: keeps the secret part of the client's name; None for a new secret.
        state_seconds: how often the agent's state is sent while nothing changes.
        taken: the device's orders, which its state reports; None for a device that receives none.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        device_id: str,
        outbox: Outbox,
        secret_file: Path | None = None,
        state_seconds: float = STATE_SECONDS,
        *,
        taken: OrdersTaken | None = None,
    ) -> None:
        self._broker = broker
        self._hosts = tuple(dict.fromkeys((broker.host, *broker.other_hosts)))
        self._device_id = device_id
        self._outbox = outbox
        self._sender = Sender(outbox)
        self._sender.ask(device_id)
        self._uplink: Uplink | None = None
        self._session_id = ""
        self._retry_at = 0.0
        self._stay_at = 0.0
        self._retry_seconds = FIRST_RETRY_SECONDS
        self.state_seconds = state_seconds
        """How often the agent's state is sent while nothing changes."""
        self._state_due_at = 0.0
        self._secret = new_secret() if secret_file is None else kept_secret(secret_file)
        self._takeovers = TakeoverPatience()
        self._own_runs: set[str] = set()
        self._foreign_receipts = 0
        self._version = MqttVersion()
        self._ready_at: float | None = None
        self._short_connections = 0
        self._link: LinkState | None = None
        self._noted: tuple[LinkState, str | None] | None = None
        self._taken = taken
        self._orders: list[bytes] = []
        self._taken_over_at = -inf
        self.occupation = ""
        """What the agent does while it measures nothing, for its state; a problem is more important."""
        self.delivered = 0
        """How many records a collector has confirmed."""
        self.was_connected = False
        """Whether the broker has accepted this agent at least once."""
        self.notice: str | None = None
        """What the user should know of the broker, as one sentence."""
        self.problem: str | None = None
        """The latest reason why results do not arrive, as one sentence; None while they do."""

    @property
    def broker(self) -> BrokerAddress:
        """The broker at the host that is used or tried now."""
        return self._broker

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this agent, and the connection has not been lost since."""
        return self._ready_at is not None

    @property
    def seconds_since_takeover(self) -> float:
        """Since when no other agent has taken this one's name at the broker; infinite if none ever has."""
        return time.monotonic() - self._taken_over_at

    def orders(self) -> list[bytes]:
        """The messages of orders that came since the last call."""
        orders, self._orders = self._orders, []
        return orders + (self._uplink.orders() if self._uplink is not None else [])

    def report_soon(self) -> None:
        """Send the agent's state with the next step, since it has changed."""
        self._state_due_at = 0.0

    @property
    def unanswered(self) -> int:
        """Of how many runs no collector has said whether it still has what it confirmed."""
        return self._sender.unanswered

    def step(self, progress: Progress | None = None, wait_seconds: float = 0.0) -> None:
        """Do what can be done now: connect, read receipts, publish.

        Args:
            progress: progress to report in the agent's state.
            wait_seconds: how long to wait for the broker to send something.
        """
        if self._uplink is None:
            if time.monotonic() < self._retry_at:
                return
            self._uplink = self._dial()
        uplink = self._uplink
        uplink.turn(wait_seconds)
        if uplink.phase == "ready":
            if self._ready_at is None:
                self._welcome()
            try:
                self._read_replies(uplink)
                self._send(uplink, progress)
            except OutboxFull as full:
                # What could not be deleted or set aside is sent again, and answered again.
                self.problem = str(full)
            uplink.turn()
            self._watch(uplink)
        if uplink.phase == "lost":
            self._retry_later(uplink)
        self._note()

    def between(self, progress: Progress) -> None:
        """Step between two chunks of questions, or settle before a part of a run that takes minutes."""
        if progress.stage is None:
            self.step(progress)
        else:
            self.settle(progress)

    def settle(self, progress: Progress) -> None:
        """Step until the broker has this state, before minutes in which a connection is only kept alive.

        A connection that is not open yet would time out in these minutes. A broker that cannot be reached is
        not waited for.
        """
        self._state_due_at = 0.0
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self.step(progress, wait_seconds=POLL_SECONDS)
            if self._uplink is None or self._state_due_at:
                return

    def stay(self) -> None:
        """Only keep a connection alive, or open one that was begun: no record and no state is read or sent.

        A broker ends a connection on which it hears nothing, most of all one that does not introduce itself.
        """
        if self._uplink is None or self._uplink.phase == "lost":
            return
        if self._uplink.phase != "ready" or time.monotonic() >= self._stay_at:
            self._stay_at = time.monotonic() + STAY_SECONDS
            self._uplink.turn()

    def wait(self, seconds: float, stop: Stop) -> None:
        """Wait until the broker sends something, the time is up or a signal comes.

        While no connection is open, the wait is short enough to notice that one has opened.
        """
        uplink = self._uplink
        if uplink is None:
            seconds = min(seconds, max(0.0, self._retry_at - time.monotonic()))
        elif uplink.phase == "dialling":
            seconds = min(seconds, POLL_SECONDS)
        stop.wait(seconds, None if uplink is None else uplink.descriptor)

    def drain(self, seconds: float, stop: Stop) -> None:
        """Step until nothing waits and collectors have answered, or the time is up, or a signal comes."""
        deadline = time.monotonic() + seconds
        while (self._outbox.pending() or self._sender.asking) and time.monotonic() < deadline:
            if stop.asked:
                return
            self.step(wait_seconds=POLL_SECONDS)
            if self._uplink is None:
                stop.wait(POLL_SECONDS)

    def check(self) -> None:
        """Return if nothing keeps results from arriving. A missing collector is not an error.

        Raises:
            NotDelivered: the broker was never reached, refuses something, or has another agent of this id.
        """
        pending = self._outbox.pending()
        problem = self.problem
        if problem is None and not self.was_connected:
            problem = f"{self._broker} does not answer"
        if pending and problem is not None:
            kept = counted(
                pending,
                "result is kept, and 'agent flush' sends it",
                "results are kept, and 'agent flush' sends them",
            )
            raise NotDelivered(f"{problem}; {kept}")

    def close(self) -> None:
        """Publish a last state if the connection is open, then close it."""
        if self._uplink is not None:
            if self._uplink.phase == "ready" and self._uplink.has_room:
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
        return Uplink(
            self._broker,
            self._device_id,
            encode_message(will),
            older=self._version.older,
            secret=self._secret,
            orders=self._taken is not None,
        )

    def _welcome(self) -> None:
        _LOG.debug("connected to %s", self._broker)
        self.was_connected = True
        if self._version.older:
            self.notice = f"{self._broker} {OLDER_PROTOCOL}"
        if self._uplink is not None and self._uplink.no_orders:
            self.notice = self._uplink.no_orders
        self._ready_at = time.monotonic()
        self._version.welcomed()
        if self._short_connections < SHORT_CONNECTIONS:
            self.problem = None
            missing = self._noted is not None and self._noted[0] == "no collector"
            self._link = None if missing else "connected"
        self._sender.reconnected()
        self._sender.ask(self._device_id)
        self._state_due_at = 0.0

    def _read_replies(self, uplink: Uplink) -> None:
        for payload in uplink.receipts():
            try:
                receipt = decode_message(payload)
            except ContractError as error:
                self.problem = f"a receipt cannot be read: {error}"
                continue
            if not isinstance(receipt, Receipt) or receipt.device_id != self._device_id:
                continue
            if any(stream.stored and not self._knows(stream.run_id) for stream in receipt.streams):
                self._foreign_receipts += 1
            if taken := self._sender.take(receipt):
                self.delivered += taken
                self._delivered()
        if self._foreign_receipts >= FOREIGN_RECEIPTS:
            self.problem = (
                "receipts come for runs of another device: does another device also have the id "
                f"'{self._device_id}'?"
            )
        hold = False
        for packed, verdict, reason in uplink.acknowledged():
            self._sender.acknowledged(packed)
            if verdict == "too large":
                self._sender.too_large(packed)
            elif verdict == "refused":
                self.problem, self._link = reason, "may not write"
                hold = True
            elif verdict == "no subscriber":
                self._link = "no collector"
                hold = True
        if hold:
            self._sender.hold()

    def _knows(self, run_id: str) -> bool:
        """Whether a run is of this agent; the outbox may forget it once it is delivered."""
        if run_id not in self._own_runs and self._outbox.knows(run_id):
            self._own_runs.add(run_id)
        return run_id in self._own_runs

    def _delivered(self) -> None:
        _LOG.debug("a collector has confirmed results")
        self.problem = None
        self._link = "delivering"
        self._short_connections = 0
        self._retry_seconds = FIRST_RETRY_SECONDS

    def _watch(self, uplink: Uplink) -> None:
        """Give up a connection over which no receipts arrive, although it seems to work.

        Usually the broker keeps results for a collector that is away; but a new connection costs little.
        """
        since = self._sender.waiting_since
        if since is not None and time.monotonic() - since > SILENCE_SECONDS and self._link != "no collector":
            uplink.abandon(
                f"{self._broker} accepts results, but no receipt has come for {SILENCE_SECONDS:.0f} seconds",
                "no collector",
            )

    def _send(self, uplink: Uplink, progress: Progress | None) -> None:
        if time.monotonic() >= self._state_due_at and uplink.has_room:
            paused = progress is not None and progress.paused is not None
            self._publish_state(uplink, "degraded" if paused else "connected", progress)
            self._state_due_at = time.monotonic() + self.state_seconds
        while uplink.has_room and (packed := self._sender.next(uplink.max_bytes)) is not None:
            uplink.send(packed)

    def _publish_state(
        self,
        uplink: Uplink,
        state: Literal["connected", "degraded", "disconnected"],
        progress: Progress | None,
    ) -> None:
        message = State(
            device_id=self._device_id,
            session_id=self._session_id,
            state=state,
            reason=(progress.paused if progress else None) or self.problem or self.occupation,
            at=utc_now(),
            agent_version=agent_version(),
            pending=self._outbox.pending(),
            dropped=self._outbox.dropped(),
            run_id=progress.run_id if progress else None,
            answered=progress.answered if progress else None,
            selected=progress.selected if progress else None,
            temperature_celsius=progress.temperature_celsius if progress else None,
            orders_revision=self._taken.revision if self._taken else None,
            orders=self._taken.progress if self._taken else (),
        )
        uplink.announce(encode_message(message))

    def _retry_later(self, uplink: Uplink) -> None:
        self._uplink = None
        self._orders += uplink.orders()
        if uplink.link == "taken over":
            self._taken_over_at = time.monotonic()
        if self._version.lost(wants_older=uplink.wants_older, silent=uplink.silent):
            self._retry_at = 0.0
            return
        self.problem, self._link = uplink.problem, uplink.link
        with suppress(OutboxFull):
            self._sender.lost()
        lasted = 0.0
        if self._ready_at is not None:
            lasted = time.monotonic() - self._ready_at
            short = lasted < SHORT_CONNECTION_SECONDS
            self._short_connections = self._short_connections + 1 if short else 0
            if not short:
                self._retry_seconds = FIRST_RETRY_SECONDS
            self._ready_at = None
        else:
            self._short_connections = 0
            after = self._hosts[(self._hosts.index(self._broker.host) + 1) % len(self._hosts)]
            self._broker = self._broker._replace(host=after)
        if self._short_connections >= SHORT_CONNECTIONS:
            self.problem += f"; it keeps breaking: does another device also have the id '{self._device_id}'?"
        jitter = random.random()  # noqa: S311 - spreads reconnects, no secret
        wait = self._takeovers.after(lasted) if uplink.link == "taken over" else self._retry_seconds
        self._retry_at = time.monotonic() + wait * (0.5 + 0.5 * jitter)
        self._retry_seconds = min(RETRY_GROWTH * self._retry_seconds, MAX_RETRY_SECONDS)

    def _note(self) -> None:
        """Record the state of delivery for `agent status`, when it changes."""
        if self._link is None or (self._link, self.problem) == self._noted:
            return
        self._noted = self._link, self.problem
        with suppress(OutboxFull):
            self._outbox.note_link(self._link, self.problem, utc_now())
