"""How far a run is: shown on a terminal, in the agent's state message and to the service manager."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from commandline.counted import counted

_SECONDS_UP_TO: Final = 100
_MINUTES_UP_TO: Final = 100 * 60


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
    seconds_left: float | None = None
    """About how long the command still takes, over all its runs; None if that is not known."""

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


def about(seconds: float) -> str:
    """A duration in words, no more exact than an estimate is: `about 40 s`."""
    if seconds < 10:
        return f"about {max(1, round(seconds))} s"
    if seconds < _SECONDS_UP_TO:
        return f"about {round(seconds / 5) * 5} s"
    if seconds < _MINUTES_UP_TO:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
