"""Shows the progress of a run: a line on a terminal, and elsewhere a sentence when a bundle is loaded."""

import logging
import shutil
import statistics
import sys
from collections.abc import Callable
from typing import Final

from agent.progress import Progress
from agent.running.warm_up import LOADING
from commandline.counted import counted
from commandline.program.messages import may_draw

_LOG: Final = logging.getLogger("distilbench.agent")
_ERASE_LINE: Final = "\r\x1b[K"

_RECENT: Final = 1000


class ProgressLine:
    """Draws on standard error, only between two chunks of questions.

    Args:
        pending: counts the results that no collector has confirmed yet.
        say: prints a sentence, for logs and pipes.
    """

    def __init__(self, pending: Callable[[], int], say: Callable[[str], None]) -> None:
        self._pending = pending
        self._say = say
        self._shown = may_draw()

    def draw(self, progress: Progress) -> None:
        """Show how far the run is."""
        if self._shown:
            sys.stderr.write(_ERASE_LINE + self._line(progress, shutil.get_terminal_size().columns - 1))
            sys.stderr.flush()
        elif progress.preparing == LOADING:
            self._say(f"{progress.name}: {LOADING} and warming up{progress.left}")
        else:
            _LOG.debug("%s: %s%s", progress.name, progress.how_far, progress.left)

    def clear(self) -> None:
        """Clear the line, so that a message can take its place."""
        if self._shown:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()

    def _line(self, progress: Progress, columns: int) -> str:
        """What fits into a line, the most important first: a line that wraps could not be erased."""
        recent = progress.times_ns[-_RECENT:]
        line = f"{progress.name}: {progress.how_far}"[:columns]
        for part in (
            progress.left,
            f", p50 {statistics.median(recent) / 1e6:.1f} ms" if recent else "",
            f", {counted(self._pending(), 'result')} pending",
        ):
            line += part if len(line) + len(part) <= columns else ""
        return line
