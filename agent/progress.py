"""How far a run is: shown on a terminal, in the agent's state message and to the service manager."""

from collections.abc import Sequence
from typing import NamedTuple

from commandline.counted import counted


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
    round: str | None = None
    """The round, such as `round 2 of 5`; None for a run of one round."""

    @property
    def name(self) -> str:
        """The round and the bundle's name."""
        return f"{self.round}: {self.title}" if self.round else self.title

    @property
    def how_far(self) -> str:
        """The progress in words."""
        return self.preparing or self.stage or f"{self.answered} of {counted(self.selected, 'question')}"
