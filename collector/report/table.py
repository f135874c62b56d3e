"""The report for a terminal."""

from collections.abc import Iterator
from io import StringIO
from typing import Final

from collector.comparison import Comparison
from collector.report.columns import COLUMNS, Section, footnotes, lay_out, legend
from collector.report.plain import plain

_NAMES: Final = 2
"""The first columns say what a row is: each part of a table that is too wide begins with them."""
_GAP: Final = 2


def table(comparison: Comparison, width: int | None = None, *, colour: bool = False) -> str:
    """Write a comparison as tables, one a hardware class and question file.

    Args:
        comparison: what to show.
        width: columns of the terminal, which wider tables are split to; None for as wide as it takes.
        colour: emphasise with ANSI escapes.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    page = lay_out(comparison)
    out = StringIO()
    console = Console(
        file=out,
        width=width or 1000,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        emoji=False,
    )
    for section in page.sections:
        title = f"{plain(section.hardware_class)}, {plain(section.questions)}"
        console.print(Text(title, style="bold"))
        for part in _parts(section, width):
            grid = Table(header_style="bold", box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
            for i in part:
                column = COLUMNS[i]
                grid.add_column(column.heading, justify="right" if column.number else "left", no_wrap=True)
            for cells in section.cells:
                grid.add_row(*(Text(plain(cells[i].marked)) for i in part))
            console.print(grid)
            console.print()
    if not page.sections:
        console.print("no run has been received yet")
    for line in (*footnotes(page), *legend(comparison), *comparison.remarks):
        console.print(Text(plain(line)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _parts(section: Section, width: int | None) -> Iterator[list[int]]:
    """The positions of the columns that fit beside each other."""
    from rich.cells import cell_len

    widths = [
        _GAP + max(cell_len(text) for text in (column.heading, *(plain(c[i].marked) for c in section.cells)))
        for i, column in enumerate(COLUMNS)
    ]
    names = list(range(_NAMES))
    part = names.copy()
    for i in range(_NAMES, len(COLUMNS)):
        if width is not None and len(part) > _NAMES and sum(widths[j] for j in [*part, i]) - _GAP > width:
            yield part
            part = names.copy()
        part.append(i)
    yield part
