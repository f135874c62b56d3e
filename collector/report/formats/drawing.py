"""Draws the parts of a report for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from collector.display.untrusted_text import plain
from collector.report.page import Section, Table, mark

if TYPE_CHECKING:
    from rich.console import RenderableType

_GAP: Final = 2


def title(text: str) -> "Iterator[RenderableType]":
    """Draw the title of a chapter, underlined."""
    from rich.text import Text

    shown = Text(plain(text), style="bold")
    yield shown
    yield Text("─" * shown.cell_len)


def section(shown: Section, width: int | None) -> "Iterator[RenderableType]":
    """Draw a section: its title, words, tables and footnotes."""
    from rich.text import Text

    if shown.title:
        yield Text(plain(shown.title), style="bold")
    for words in shown.words:
        yield Text(plain(words), style="dim")
    for table in shown.tables:
        if not table.rows:
            continue
        if len(shown.tables) > 1:
            yield Text(plain(table.title), style="bold")
        for part in column_parts(table, width):
            yield _grid(table, part)
            yield ""
    for number, text in enumerate(shown.footnotes, start=1):
        yield Text(f"{mark(number)} {plain(text)}", style="dim")
    if shown.footnotes:
        yield ""


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


def column_parts(shown: Table, width: int | None) -> Iterator[list[int]]:
    """Split a table's columns into parts that fit the width; each part starts with the columns of names."""
    columns = range(len(shown.headings))
    widths = [_GAP + widest for widest in column_widths(shown)]
    names, rest = list(columns[: shown.names]), columns[shown.names :]
    part = names.copy()
    for i in rest:
        if width is not None and part != names and sum(widths[j] for j in [*part, i]) - _GAP > width:
            yield part
            part = names.copy()
        part.append(i)
    yield part


def column_widths(shown: Table) -> list[int]:
    """Return the columns of a terminal that each column of a table needs."""
    from rich.cells import cell_len

    return [max(map(cell_len, _texts(shown, i))) for i in range(len(shown.headings))]


def _texts(shown: Table, column: int) -> Iterator[str]:
    yield plain(shown.headings[column].text)
    yield from (plain(row[column].marked) for row in shown.rows)
