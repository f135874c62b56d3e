"""How far a run is: shown on a terminal, in the agent's state message and to the service manager."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from commandline.counted import counted
from commandline.estimation.duration import about
from contract.orders.progress import OrderProgress


class OrdersTaken(Protocol):
    """The orders of this device, as its state reports them."""

    @property
    def revision(self) -> int:
        """The revision of the newest list of orders that was accepted; 0 for none."""

    @property
    def progress(self) -> tuple[OrderProgress, ...]:
        """How far the device is with its orders."""


class Progress(NamedTuple):
    """How far one run is."""

    run_id: str
    title: str
    """The bundle's name for people."""
    answered: int
    selected: int
    times_ns: Sequence[int]
    """Time in nanoseconds of each question answered since this process began."""
    temperature_celsius: float | None
    paused: str | None = None
    """Why no question is asked now, as one sentence; None if the run is not paused."""
    stage: str | None = None
    """What the run is doing, if that takes minutes and its questions are counted only at the end."""
    preparing: str | None = None
    """What the worker does before it answers the questions of a round: it loads, or warms up."""
    place: tuple[int, int] | None = None
    """The number of the round, from 1, and how many there are; None for a run of one round."""
    seconds_left: float | None = None
    """About how long the command still takes, over all its runs; None if that is not known."""

    @property
    def round(self) -> str | None:
        """The round, such as `round 2 of 5`; None for a run of one round."""
        if self.place is None:
            return None
        number, rounds = self.place
        return f"round {number}{f' of {rounds}' if number <= rounds else ''}"

    @property
    def name(self) -> str:
        """The round and the bundle's name."""
        return f"{self.round}: {self.title}" if self.round else self.title

    @property
    def how_far(self) -> str:
        """The progress in words."""
        return self.preparing or self.stage or f"{self.answered} of {counted(self.selected, 'question')}"

    @property
    def left(self) -> str:
        """The time left in words, after a comma; empty if it is not known, or if nothing is left."""
        return f", {about(self.seconds_left)} left" if self.seconds_left else ""
