"""How far a run is, for the line on a terminal, the agent's state message and the service manager."""

from collections.abc import Sequence
from typing import NamedTuple


class Progress(NamedTuple):
    """How far a run is."""

    run_id: str
    title: str
    """The bundle for people."""
    answered: int
    selected: int
    times_ns: Sequence[int]
    """Time of each question answered since this process began."""
    temperature_celsius: float | None
    paused: str | None = None
    """Why nothing is asked at the moment, as one sentence."""
    stage: str | None = None
    """What it is at, where that takes minutes and questions are counted at the end."""

    @property
    def how_far(self) -> str:
        """In words."""
        return self.stage or f"{self.answered} of {self.selected} questions"
