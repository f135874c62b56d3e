"""A progress bar with the time left, on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from commandline.program.messages import may_draw

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

Show = Callable[[str, int, int | None], None]
"""Function that is called with a stage, how much of it is done and how much there is; None if unknown."""
PATIENCE_SECONDS: Final = 1.0
"""Work that takes less time than this shows no bar."""
_ERASE_LINE: Final = "\r\x1b[K"
_LINE_UP: Final = "\x1b[1A"


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that updates the bar; its arguments are how much is done and how much there is."""
    with progress_bars() as show:
        yield partial(show, title)


@contextmanager
def progress_bars() -> Iterator[Show]:
    """Yield a function that draws a bar for the present stage of the work; it disappears at the end.

    It is drawn only on a terminal. A stage of unknown length shows its name at once; other bars appear if the
    work takes more than a second.
    """
    bars = _Bars()
    try:
        yield bars.show if may_draw() else lambda stage, done, total: None
    finally:
        bars.erase()


class _Bars:
    def __init__(self) -> None:
        self._began = time.monotonic()
        self._bar: ProgressBar[Any] | None = None
        self._stage: str | None = None
        self._drawn = False

    def show(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage:
            self.erase()
            self._stage = stage
            if total is None:
                sys.stderr.write(f"{stage} …")
                sys.stderr.flush()
                self._drawn = True
        if total is None or time.monotonic() - self._began < PATIENCE_SECONDS:
            return
        if self._bar is None:
            self._bar, self._drawn = self._new(stage, total), True
        self._bar.length = total
        self._bar.update(done - self._bar.pos)

    def erase(self) -> None:
        """Clear the line, so that something else can take its place."""
        if self._bar is not None:
            self._bar.render_finish()
            sys.stderr.write(_LINE_UP)
        if self._drawn:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
        self._bar, self._stage, self._drawn = None, None, False

    def _new(self, stage: str, total: int) -> "ProgressBar[Any]":
        return click.progressbar(
            length=total, label=stage, file=sys.stderr, width=30, item_show_func=self._left
        )

    def _left(self, _: object) -> str | None:
        return "left" if self._bar is not None and self._bar.eta_known and not self._bar.finished else None
