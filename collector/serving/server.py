"""Stores results from a broker in the database: commits first, then acknowledges, then sends receipts."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final, NamedTuple

from collector.broker.client import Arrival, Crowding, Event, Failed, Lost, NotAccepted, Ready, Unreached
from collector.broker.subscriber import Subscriber
from collector.errors import BrokerUnavailable, StorageUnavailable
from collector.intake.incoming import Delivery
from collector.intake.ingest import Ingested, ingest
from collector.orders.state_reports import state_sender
from collector.serving.dispatcher import Dispatcher, Secrets
from collector.serving.upkeep import Upkeep
from collector.store.database import Store
from commandline.broker_address import BrokerAddress
from commandline.counted import counted
from commandline.mqtt_client import client_id, kept_secret, new_secret
from commandline.program.messages import Problem
from contract.codec import printable

_LOG: Final = logging.getLogger("distilbench.collector")
MAX_GROUP_MESSAGES: Final = 200
MAX_GROUP_BYTES: Final = 8 * 1_048_576
MAX_GROUP_CROWDED: Final = 5000
"""At most this many dropped messages are in one group, so that no other message waits long for them."""
RETRY_SECONDS: Final = 1.0
LOCK_SECONDS: Final = 2.0
"""How long to wait for another process that writes to the database before looking for a signal."""
TICK_SECONDS: Final = 1.0
"""How long to wait for events before checking whether derived data needs an update."""
SHORT_CONNECTION_SECONDS: Final = 10.0
SHORT_CONNECTIONS: Final = 3
"""This many in a row look like two collectors that take each other's session; some brokers do not say so.
The broker itself does not fail then: each attempt to connect again succeeds, and soon."""
FAILING_SECONDS: Final = 4.0
"""A broker that accepts a client only this long after its last connection ended was failing meanwhile."""


class Stop(NamedTuple):
    """A signal arrived: store what has been received, and end."""


Events = SimpleQueue[Event | Stop]


class Server:
    """Receives results until SIGTERM or SIGINT.

    A transaction stores all messages that arrived while the previous one was being written, up to
    `MAX_GROUP_MESSAGES` and `MAX_GROUP_BYTES`: no message waits for others, and many messages share one sync.
    While the database cannot be written, nothing is acknowledged, so the broker keeps the other messages.
    When no results arrive, a separate process updates what reports read.
    """

    def __init__(
        self,
        store: Store,
        address: BrokerAddress,
        say: Callable[[str], None],
        group: str | None = None,
        *,
        older: bool = False,
        secrets: Secrets | None = None,
        workers: str | None = None,
    ) -> None:
        """Prepare a server without connecting it.

        Args:
            store: the database, open for writing; only the thread that calls `run` uses it.
            address: the broker.
            say: prints a line for the operator.
            group: the name of the group of collectors that share the results; None for a collector alone.
            older: speak MQTT 3.1.1 to the broker.
            secrets: returns the secrets for the orders of a hub's devices; None to send no orders.
            workers: who keeps summaries up to date, as `--workers` names them; None for a single process.
        """
        self.stored = self.duplicates = self.rejected = 0
        self._store = store
        store.lock_patience_seconds = LOCK_SECONDS
        self._say = say
        self._stopping = self._denied = False
        self._connected_at: float | None = None
        self._lost_at = 0.0
        self._short_connections = 0
        self._losses: set[str] = set()  # the reasons that were printed since the last connection
        self._events: Events = SimpleQueue()
        self._upkeep = Upkeep(store.name, say, workers)
        file = _session_file(store, group, older=older)
        self._has_session = file is not None
        self._subscriber = Subscriber(
            address,
            client_id("collector", new_secret() if file is None else kept_secret(file)),
            self._events,
            group,
            persistent=self._has_session,
            older=older,
            with_states=secrets is not None,
        )
        self._dispatcher = (
            None if secrets is None else Dispatcher(store, secrets, self._subscriber.send_orders, say)
        )

    def run(self, ready: str, check: Callable[[], None] = lambda: None) -> None:
        """Serve; prints `ready` once, when results can arrive.

        Args:
            ready: a line for the operator.
            check: called about once per second; what it raises ends the server.

        Raises:
            BrokerUnavailable: there is no connection at the start, or the broker denies what is needed.
            StorageUnavailable: another process serves this database.
        """
        with self._signals(), self._store.served():
            self._subscriber.start()
            try:
                self._take_events(ready, check)
            finally:
                self._subscriber.stop()
                self._upkeep.stop()

    def _take_events(self, ready: str, check: Callable[[], None]) -> None:
        event: Event | Stop | None = None
        while not isinstance(event, Stop):
            check()
            arrivals, event = self._next_group()
            self._upkeep.tick()
            if self._dispatcher is not None:
                self._dispatcher.tick()
            if arrivals and not self._store_group(arrivals):
                return
            match event:
                case Ready():
                    self._say("connected again" if self._connected_at is not None else ready)
                    self._connected_at = time.monotonic()
                    if self._connected_at - self._lost_at > FAILING_SECONDS:
                        self._short_connections = 0
                    self._losses.clear()
                    if self._dispatcher is not None:
                        self._dispatcher.connected()
                case NotAccepted(reason=reason) if not self._denied:
                    self._denied = True
                    self._say(Problem(reason))
                case Crowding(topic=name):
                    self._say(
                        Problem(
                            f"'{printable(name)}' brings more than can be stored: what is more than its "
                            "share is dropped, so that no other device has to wait; an agent sends it again"
                        )
                    )
                case Failed(reason=reason):
                    raise BrokerUnavailable(reason)
                case Lost() as lost:
                    self._note_loss(lost)
                case Unreached():
                    self._short_connections = 0

    def _note_loss(self, lost: Lost) -> None:
        if self._connected_at is None:
            raise BrokerUnavailable(lost.reason)
        first = not self._losses
        if lost.reason not in self._losses:  # a broker that refuses says so at each attempt
            self._losses.add(lost.reason)
            self._say(Problem(f"{lost.reason}{lost.again}"))
        if first:
            self._lost_at = time.monotonic()
        short = first and self._lost_at - self._connected_at < SHORT_CONNECTION_SECONDS
        self._short_connections = self._short_connections + 1 if short else 0
        if self._has_session and self._short_connections == SHORT_CONNECTIONS:
            self._say(
                Problem("the connection keeps breaking: does a copy of the database's folder run elsewhere?")
            )

    def _next_group(self) -> tuple[list[Arrival], Event | Stop | None]:
        """Return the messages to commit together, and the event that ended this group, if one did."""
        arrivals: list[Arrival] = []
        size = crowded = 0
        try:
            event = self._events.get(timeout=TICK_SECONDS)
        except Empty:
            return [], None
        while isinstance(event, Arrival):
            arrivals.append(event)
            size += len(event.data)
            crowded += event.crowded
            if (
                len(arrivals) - crowded >= MAX_GROUP_MESSAGES
                or size >= MAX_GROUP_BYTES
                or crowded >= MAX_GROUP_CROWDED
            ):
                return arrivals, None
            try:
                event = self._events.get_nowait()
            except Empty:
                return arrivals, None
        return arrivals, event

    def _store_group(self, arrivals: list[Arrival]) -> bool:
        """Commit a group, however long that takes; False if a signal came before it succeeded."""
        deliveries = [_delivery(arrival) for arrival in arrivals if self._is_for_the_database(arrival)]
        complained = False
        outcome = None
        while deliveries and outcome is None:
            try:
                outcome = ingest(self._store, deliveries)
            except StorageUnavailable as error:
                if not complained:
                    self._say(Problem(f"{error}; nothing is acknowledged until it works again"))
                    complained = True
                if self._stopped_within(RETRY_SECONDS):
                    return False
        if complained:
            self._say("the database can be written again")
        self._subscriber.acknowledge(arrivals)
        if outcome is not None:
            self._subscriber.send(outcome.receipts)
            self._count(outcome)
        return True

    def _is_for_the_database(self, arrival: Arrival) -> bool:
        """Whether a message is to be stored; the state of a device is passed on."""
        if arrival.crowded:
            return False
        if self._dispatcher is None or (sender := state_sender(arrival.topic)) is None:
            return True
        self._dispatcher.take(sender, arrival.data)
        return False

    def _count(self, outcome: Ingested) -> None:
        _LOG.debug("%s stored, %d known before", counted(outcome.stored, "record"), outcome.duplicates)
        if outcome.rejected and not self.rejected:
            self._say(
                Problem("a message was rejected; later ones are not reported here: see `collector rejected`")
            )
        if outcome.stored:
            self._upkeep.note_results()
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.rejected += outcome.rejected

    def _stopped_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < deadline:
            time.sleep(0.05)
        return self._stopping

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stopping = True
            self._events.put(Stop())  # SimpleQueue may be put into from a signal handler

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _session_file(store: Store, group: str | None, *, older: bool) -> Path | None:
    """The file that keeps the name of the session at the broker; None for a collector that keeps no session.

    While a member of a group is away, its messages must go to the others, so it keeps no session, and two
    members never have one name. In MQTT 3.1.1 each collector receives everything, in a session of its own.
    """
    if group is not None and not older:
        return None
    return store.session_file


def _delivery(arrival: Arrival) -> Delivery:
    return Delivery(arrival.source, arrival.data, arrival.source)
