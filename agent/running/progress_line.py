"""The line on a terminal that shows the progress of a run; without a terminal nothing is drawn."""

import statistics
import sys
from collections.abc import Callable
from typing import Final

from agent.progress import Progress
from commandline.counted import counted

_ERASE_LINE: Final = "\r\x1b[K"

_RECENT: Final = 1000


class ProgressLine:
    """Draws on standard error, only between two chunks of questions.

    Args:
        pending: counts the results that no collector has confirmed yet.
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
        pending = counted(self._pending(), "result")
        sys.stderr.write(f"{_ERASE_LINE}{progress.title}: {progress.how_far}{p50}, {pending} pending")
        sys.stderr.flush()

    def clear(self) -> None:
        """Clear the line, so that a message can take its place."""
        if self._shown:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
