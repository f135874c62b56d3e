"""The line on a terminal that shows the progress of a run; without a terminal nothing is drawn."""

import statistics
import sys
from collections.abc import Callable
from typing import Final

from agent.progress import Progress

_ERASE_LINE: Final = "\r\x1b[K"

_RECENT: Final = 1000


class ProgressLine:
    """Draws on standard error, between two chunks of questions only.

    Args:
        pending: counts the results that no collector has receipted yet.
    """

    def __init__(self, pending: Callable[[], int]) -> None:
        self._pending = pending
        self._shown = sys.stderr.isatty()

    def draw(self, progress: Progress) -> None:
        """Show how far the run is."""
        if not self._shown:
            return
        recent = progress.times_ns[-_RECENT:]
        p50 = f", p50 {statistics.median(recent) / 1e6:.1f} ms" if recent else ""
        sys.stderr.write(
            f"{_ERASE_LINE}{progress.title}: {progress.how_far}{p50}, {self._pending()} results pending"
        )
        sys.stderr.flush()

    def clear(self) -> None:
        """Leave the line empty for other words."""
        if self._shown:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
