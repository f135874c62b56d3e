"""The current state of the fleet: the agents' states, retained at the broker, and data on their runs."""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

import msgspec

from collector.broker.client import Arrival, Event, Failed, Lost, Ready
from collector.broker.watcher import Watcher
from collector.comparison_inputs.machine import machine_of
from collector.display.grid import Grid
from collector.errors import BrokerUnavailable
from collector.orders.state_reports import is_old_will, state_in, state_sender
from collector.store.database import Store
from commandline.broker_address import BrokerAddress
from commandline.program.messages import Problem
from contract.device import Device
from contract.messages import State

PATIENCE_SECONDS: Final = 10.0
"""How long to wait for the broker to accept the client."""
QUIET_SECONDS: Final = 1.0
"""Retained states arrive right after the subscription; after this many seconds without one, all are here."""
CLUSTER_QUIET_SECONDS: Final = 3.0
"""The same of a broker that speaks MQTT 3.1.1 only: a cluster may read states after it has answered."""
REFRESH_SECONDS: Final = 1.0

_DEVICE: Final = msgspec.json.Decoder(Device)
_COLUMNS: Final = (
    "device",
    "state",
    "run",
    "machine",
    "model",
    "answered",
    "asked",
    "per_second",
    "seconds_left",
    "celsius",
    "pending",
    "dropped",
    "reason",
)


class _Progress(msgspec.Struct, frozen=True):
    """The first state of a run that was seen; later ones give the rate."""

    run_id: str
    answered: int
    at: float


class Fleet:
    """The latest state of each device."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._first_seen: dict[str, _Progress] = {}
        self._rates: dict[str, float] = {}

    @property
    def states(self) -> dict[str, State]:
        """The states by device."""
        return dict(self._states)

    def take(self, topic: str | None, data: bytes, now: float) -> None:
        """Process a message; only states of the topic's device count, and an old session's will does not.

        Args:
            topic: the topic that the message arrived on; None if it is not UTF-8.
            data: the message's bytes.
            now: the time of a monotonic clock, in seconds.
        """
        device_id = state_sender(topic)
        state = None if device_id is None else state_in(data, device_id)
        if device_id is None or state is None:
            return
        known = self._states.get(device_id)
        if is_old_will(state, None if known is None else known.session_id):
            return
        self._states[device_id] = state
        self._note_rate(device_id, state, now)

    def grid(self, store: Store) -> Grid:
        """Return one row per device, by name. Machine, model and last temperature are from the database."""
        return Grid(
            _COLUMNS,
            [self._row(store, device_id, self._states[device_id]) for device_id in sorted(self._states)],
            "no device has reported its state to this broker",
            least=("dropped", "machine", "run", "per_second", "celsius", "reason", "seconds_left"),
        )

    def _note_rate(self, device_id: str, state: State, now: float) -> None:
        if state.run_id is None or state.answered is None:
            self._first_seen.pop(device_id, None)
            self._rates.pop(device_id, None)
            return
        first = self._first_seen.get(device_id)
        if first is None or first.run_id != state.run_id or state.answered < first.answered:
            self._first_seen[device_id] = _Progress(state.run_id, state.answered, now)
            self._rates.pop(device_id, None)
        elif now > first.at:
            self._rates[device_id] = (state.answered - first.answered) / (now - first.at)

    def _row(self, store: Store, device_id: str, state: State) -> tuple[object, ...]:
        rate = self._rates.get(device_id)
        seconds_left = None
        if rate and state.selected is not None and state.answered is not None:
            seconds_left = max(0.0, (state.selected - state.answered) / rate)
        device, model, celsius = next(store.tuples(_RUN, state.run_id), (None, None, None))
        machine = None if device is None else machine_of(_DEVICE.decode(device)).label
        return (
            device_id,
            state.state,
            state.run_id,
            machine,
            model,
            state.answered,
            state.selected,
            None if rate is None else round(rate, 2),
            None if seconds_left is None else round(seconds_left),
            celsius if state.temperature_celsius is None else state.temperature_celsius,
            state.pending,
            state.dropped,
            state.reason or None,
        )


_RUN = """
SELECT device, title || ' ' || precision, (SELECT temperature_celsius FROM samples
    WHERE samples.stream = runs.stream AND temperature_celsius IS NOT NULL ORDER BY seq DESC LIMIT 1)
FROM runs JOIN streams USING (stream) WHERE run_id = ?
"""


def look_once(store: Store, address: BrokerAddress, *, older: bool = False) -> Grid:
    """Return the fleet as the broker knows it now; `older` speaks MQTT 3.1.1.

    Raises:
        BrokerUnavailable: there is no connection, or the broker denies access to the states.
    """
    return fleet_now(address, older=older).grid(store)


def fleet_now(address: BrokerAddress, *, older: bool = False) -> Fleet:
    """Return the states that the broker keeps now; `older` speaks MQTT 3.1.1.

    Raises:
        BrokerUnavailable: there is no connection, or the broker denies access to the states.
    """
    fleet = Fleet()
    events: SimpleQueue[Event] = SimpleQueue()
    watcher = Watcher(address, events, older=older)
    watcher.start()
    quiet = CLUSTER_QUIET_SECONDS if older else QUIET_SECONDS
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        ready = False
        while True:
            try:
                event = events.get(timeout=quiet if ready else max(0.0, deadline - time.monotonic()))
            except Empty:
                if ready:
                    return fleet
                raise BrokerUnavailable(f"broker {address} does not answer") from None
            ready = _take(fleet, event) or ready
    finally:
        watcher.stop()


def look_repeatedly(
    store: Store,
    address: BrokerAddress,
    draw: Callable[[Grid], None],
    say: Callable[[str], None],
    *,
    older: bool = False,
) -> None:
    """Draw the fleet again every second, until interrupted.

    Args:
        store: the database.
        address: the broker.
        draw: shows a grid in place of the previous one.
        say: prints a line for the operator.
        older: speak MQTT 3.1.1.

    Raises:
        BrokerUnavailable: there is no connection at the start, or the broker denies access to the states.
    """
    fleet = Fleet()
    events: SimpleQueue[Event] = SimpleQueue()
    watcher = Watcher(address, events, older=older)
    watcher.start()
    try:
        ready = False
        losses: set[str] = set()
        while True:
            try:
                event = events.get(timeout=REFRESH_SECONDS)
            except Empty:
                draw(fleet.grid(store))
                continue
            if ready and isinstance(event, Lost):
                if event.reason not in losses:  # a broker that refuses says so at each attempt
                    losses.add(event.reason)
                    say(Problem(f"{event.reason}{event.again}"))
            elif _take(fleet, event):
                ready = True
                losses.clear()
            if events.empty():
                draw(fleet.grid(store))
    finally:
        watcher.stop()


def _take(fleet: Fleet, event: Event) -> bool:
    """Process an event; True if states will arrive from now on."""
    match event:
        case Lost(reason=reason) | Failed(reason=reason):
            raise BrokerUnavailable(reason)
        case Arrival():
            fleet.take(event.topic, event.data, time.monotonic())
    return isinstance(event, Ready)
