"""A table on a terminal that is redrawn in place."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from collector.display.grid import Grid, grid_text


@contextmanager
def live_table(*, colour: bool) -> Iterator[Callable[[Grid], None]]:
    """Yield a function that draws a grid in place of the previous one; the last grid stays on the screen."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from collector.display.abridged import abridged

    console = Console(no_color=not colour, highlight=False, emoji=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:

        def draw(grid: Grid) -> None:
            width = shutil.get_terminal_size().columns
            live.update(Text(grid_text(abridged(grid), "table", width).rstrip("\n")), refresh=True)

        yield draw
