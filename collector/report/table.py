"""The report for a terminal."""

from io import StringIO

from collector.comparison import Comparison
from collector.report.columns import COLUMNS, footnotes, lay_out, legend
from collector.report.plain import plain


def table(comparison: Comparison, width: int | None = None, *, colour: bool = False) -> str:
    """Write a comparison as tables, one a hardware class and question file.

    Args:
        comparison: what to show.
        width: columns of the terminal; None for as wide as it takes.
        colour: emphasise with ANSI escapes.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    page = lay_out(comparison)
    out = StringIO()
    console = Console(
        file=out, width=width or 400, force_terminal=colour, no_color=not colour, highlight=False, emoji=False
    )
    for section in page.sections:
        title = f"{plain(section.hardware_class)}, {plain(section.questions)}"
        console.print(Text(title, style="bold"))
        grid = Table(header_style="bold", box=None, pad_edge=False)
        for column in COLUMNS:
            grid.add_column(column.heading, justify="right" if column.number else "left", overflow="fold")
        for cells in section.cells:
            grid.add_row(*(Text(plain(cell.marked)) for cell in cells))
        console.print(grid)
        console.print()
    if not page.sections:
        console.print("no run has been received yet")
    for line in (*footnotes(page), *legend(comparison), *comparison.remarks):
        console.print(Text(plain(line)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
