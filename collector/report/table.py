"""The report for a terminal."""

from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

from collector.comparison import Comparison
from collector.report.layout import lay_out
from collector.report.page import Section, Table, mark
from collector.report.plain import plain

_GAP: Final = 2
MORE: Final = "more columns, the study's numbers, questions, method, provenance: --format html or markdown"


def table(comparison: Comparison, width: int | None = None, *, colour: bool = False) -> str:
    """Write a comparison as tables.

    Args:
        comparison: what to show.
        width: columns of the terminal, which wider tables are split to; None for as wide as it takes.
        colour: emphasise with ANSI escapes.
    """
    from rich.console import Console
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
    for chapter in page.chapters:
        if chapter.in_terminal:
            title = Text(plain(chapter.title), style="bold")
            console.print(title)
            console.print(Text("─" * title.cell_len))
            for section in chapter.sections:
                _write(console, section, width)
    if page.chapters:
        console.print(Text(MORE))
    for remark in page.remarks:
        console.print(Text(plain(remark)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _write(console: Any, section: Section, width: int | None) -> None:
    from rich.text import Text

    if section.title:
        console.print(Text(plain(section.title), style="bold"))
    for words in section.words:
        console.print(Text(plain(words), style="dim"))
    for shown in section.tables:
        if len(section.tables) > 1:
            console.print(Text(plain(shown.title), style="bold"))
        for part in _parts(shown, width):
            console.print(_grid(shown, part))
            console.print()
    for number, text in enumerate(section.footnotes, start=1):
        console.print(Text(f"{mark(number)} {plain(text)}", style="dim"))
    if section.footnotes:
        console.print()


def _grid(shown: Table, part: list[int]) -> Any:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(header_style="bold", box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for i in part:
        heading = shown.headings[i]
        grid.add_column(
            Text(plain(heading.text)),
            justify="right" if heading.number else "left",
            no_wrap=heading.number,
            overflow="fold",
        )
    for row in shown.rows:
        grid.add_row(*(Text(plain(row[i].marked)) for i in part))
    return grid


def _parts(shown: Table, width: int | None) -> Iterator[list[int]]:
    """The positions of the columns that fit beside each other; each part begins with the names."""
    from rich.cells import cell_len

    shown_columns = [i for i, heading in enumerate(shown.headings) if width is None or not heading.detail]
    widths = {i: _GAP + max(map(cell_len, _texts(shown, i))) for i in shown_columns}
    names, rest = shown_columns[: shown.names], shown_columns[shown.names :]
    part = names.copy()
    for i in rest:
        if width is not None and part != names and sum(widths[j] for j in [*part, i]) - _GAP > width:
            yield part
            part = names.copy()
        part.append(i)
    yield part


def _texts(shown: Table, column: int) -> Iterator[str]:
    yield plain(shown.headings[column].text)
    yield from (plain(row[column].marked) for row in shown.rows)
