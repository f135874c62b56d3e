"""The report for a terminal: a first screen with the answer, all chapters, or one chapter."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from collector.display.console_text import console_text
from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison
from collector.report.layout import Page, lay_out
from collector.report.page import PARTS, Chapter, Section, Table, mark, without_details

if TYPE_CHECKING:
    from rich.console import RenderableType

FIRST_SCREEN: Final = "first-screen"
FULL: Final = "full"
_GAP: Final = 2


def table(
    comparison: Comparison, width: int | None = None, *, colour: bool = False, part: str = FIRST_SCREEN
) -> str:
    """Write a comparison as tables.

    Args:
        comparison: what to show.
        width: columns of the terminal; wider tables are split into parts. None for no limit.
        colour: whether to emphasise with ANSI escapes.
        part: `FIRST_SCREEN`, `FULL`, or one of `PARTS`.
    """
    return console_text(_page(lay_out(comparison), part, width), width, colour=colour)


def _page(page: Page, part: str, width: int | None) -> "Iterator[RenderableType]":
    from rich.text import Text

    shown = [chapter for chapter in page.chapters if _belongs(chapter, part)]
    for chapter in shown:
        title = Text(plain(chapter.title), style="bold")
        yield title
        yield Text("─" * title.cell_len)
        for section in chapter.sections:
            if part != FIRST_SCREEN:
                yield from _section(section, width)
            elif section.first_screen:
                yield from _section(without_details(section), width)
    if part in PARTS and not shown and page.chapters:
        yield Text(f"chapter {part!r} is empty")
    for remark in page.remarks:
        yield Text(plain(remark))
    if part == FIRST_SCREEN and page.chapters:
        more = dict.fromkeys(chapter.name for chapter in page.chapters)
        yield Text(f"More: --section {'|'.join(more)}, --full, or charts with --format html")


def _belongs(chapter: Chapter, part: str) -> bool:
    return part == FULL or part == chapter.name or (part == FIRST_SCREEN and chapter.first_screen)


def _section(section: Section, width: int | None) -> "Iterator[RenderableType]":
    from rich.text import Text

    if section.title:
        yield Text(plain(section.title), style="bold")
    for words in section.words:
        yield Text(plain(words), style="dim")
    for shown in section.tables:
        if not shown.rows:
            continue
        if len(section.tables) > 1:
            yield Text(plain(shown.title), style="bold")
        for part in _parts(shown, width):
            yield _grid(shown, part)
            yield ""
    for number, text in enumerate(section.footnotes, start=1):
        yield Text(f"{mark(number)} {plain(text)}", style="dim")
    if section.footnotes:
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


def _parts(shown: Table, width: int | None) -> Iterator[list[int]]:
    """Split a table's columns into parts that fit the width; each part starts with the columns of names."""
    from rich.cells import cell_len

    columns = range(len(shown.headings))
    widths = [_GAP + max(map(cell_len, _texts(shown, i))) for i in columns]
    names, rest = list(columns[: shown.names]), columns[shown.names :]
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
