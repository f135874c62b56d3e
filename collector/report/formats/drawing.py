"""Draws the parts of a report for a terminal."""

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from collector.display.fitting import shortened
from collector.display.untrusted_text import plain
from collector.report.page import Section, Table, mark

if TYPE_CHECKING:
    from rich.console import RenderableType

_GAP: Final = 2
_SHORTEST_NAME: Final = 15
_FEW_NAMES: Final = 2


def title(text: str, width: int | None) -> "Iterator[RenderableType]":
    """Draw the title of a chapter, underlined."""
    from rich.text import Text

    shown = Text(plain(text), style="bold")
    yield shown
    yield Text("─" * min(shown.cell_len, width or shown.cell_len))


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
        for headings, group in _groups(table, width):
            for heading in headings:
                yield Text(plain(heading))
            if _needs_blocks(group, width):
                yield from _blocks(group, width)
                continue
            for part in column_parts(group, width):
                yield _grid(group, part)
                yield ""
    for number, text in enumerate(shown.footnotes, start=1):
        yield Text(f"{mark(number)} {plain(text)}", style="dim")
    if shown.footnotes:
        yield ""


def with_short_names(shown: Section, widths: Mapping[str, int]) -> Section:
    """Shorten the texts of some columns to a number of terminal columns; the marks of footnotes stay."""
    return shown._replace(tables=tuple(_short(table, widths) for table in shown.tables))


def with_narrow_names(shown: Table, width: int | None) -> Table:
    """Shorten the names of rows, so that they leave half of the width to the rest."""
    widths = column_widths(shown)[: shown.names]
    if width is None or sum(widths) + _GAP * len(widths) <= width // 2:
        return shown
    room = width // 2 - _GAP * len(widths)
    while sum(widths) > room and max(widths) > _SHORTEST_NAME:
        widths[widths.index(max(widths))] -= 1
    names = shown.headings[: shown.names]
    return _short(shown, {heading.text: most for heading, most in zip(names, widths, strict=True)})


def _groups(shown: Table, width: int | None, few: int = _FEW_NAMES) -> Iterator[tuple[list[str], Table]]:
    """Split a table whose rows have more than a few names, and long ones: the first become headings."""
    names = column_widths(shown)[: shown.names]
    if width is None or shown.names <= few or sum(names) + _GAP * len(names) <= width // 2:
        yield [], with_narrow_names(shown, width)
        return
    for text, rows in itertools.groupby(shown.rows, key=lambda row: row[0].marked):
        rest = shown._replace(
            headings=shown.headings[1:], rows=tuple(row[1:] for row in rows), names=shown.names - 1
        )
        for number, (headings, group) in enumerate(_groups(rest, width, few=1)):
            yield ([text] if not number else []) + [f"  {heading}" for heading in headings], group


def _needs_blocks(shown: Table, width: int | None) -> bool:
    """Return whether a cell has a word, such as a hash, that a column beside the names would break."""
    from rich.cells import cell_len

    room = (width or 0) - sum(_GAP + widest for widest in column_widths(shown)[: shown.names])
    cells = (cell for row in shown.rows for cell in row[shown.names :])
    return width is not None and any(cell_len(word) > room for cell in cells for word in cell.text.split())


def _blocks(shown: Table, width: int | None) -> "Iterator[RenderableType]":
    """Draw each row as a block: its names, then a line for each other cell, or more if that is too long."""
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.text import Text

    key = max(cell_len(heading.text) for heading in shown.headings[shown.names :])
    for row in shown.rows:
        yield Text("  ".join(plain(cell.marked) for cell in row[: shown.names]))
        for heading, cell in zip(shown.headings[shown.names :], row[shown.names :], strict=True):
            beside = f"  {heading.text:<{key}}  "
            text = plain(cell.marked)
            if width is None or cell_len(beside) + cell_len(text) <= width:
                yield Text(beside + text)
            else:
                yield Text(f"  {heading.text}")
                yield Padding(Text(text), (0, 0, 0, 4))
        yield ""


def _short(shown: Table, widths: Mapping[str, int]) -> Table:
    from rich.cells import cell_len

    rows = []
    for row in shown.rows:
        cells = list(row)
        for i, heading in enumerate(shown.headings):
            if heading.text in widths:
                marks = cell_len(cells[i].marked) - cell_len(cells[i].text)
                text = shortened(plain(cells[i].text), widths[heading.text] - marks)
                cells[i] = cells[i]._replace(text=text)
        rows.append(tuple(cells))
    return shown._replace(rows=tuple(rows))


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
