"""How far a run is, and the line on a terminal that says so; nothing where there is no terminal."""

import statistics
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from agent.outbox import Outbox

_ERASE_LINE: Final = "\r\x1b[K"
_RECENT: Final = 1000


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


class ProgressLine:
    """Draws on standard error, between two chunks of questions only.

    Args:
        outbox: whose pending records are shown.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._shown = sys.stderr.isatty()

    def draw(self, progress: Progress) -> None:
        """Show how far the run is."""
        if not self._shown:
            return
        recent = progress.times_ns[-_RECENT:]
        p50 = f", p50 {statistics.median(recent) / 1e6:.1f} ms" if recent else ""
        sys.stderr.write(
            f"{_ERASE_LINE}{progress.title}: {progress.how_far}{p50}, "
            f"{self._outbox.pending()} results pending"
        )
        sys.stderr.flush()

    def clear(self) -> None:
        """Leave the line empty for other words."""
        if self._shown:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
