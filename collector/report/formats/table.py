"""The report for a terminal: a first screen with the answer, all chapters, or one chapter."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from collector.display.console_text import console_text
from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison
from collector.report.formats import drawing
from collector.report.formats.first_screen import first_screen
from collector.report.layout import Page, lay_out
from collector.report.names import with_distinct_titles
from collector.report.page import PARTS

if TYPE_CHECKING:
    from rich.console import RenderableType

FIRST_SCREEN: Final = "first-screen"
FULL: Final = "full"


def table(
    comparison: Comparison, width: int | None = None, *, colour: bool = False, part: str = FIRST_SCREEN
) -> str:
    """Write a comparison as tables.

    Args:
        comparison: what to show.
        width: columns of the terminal. Wider tables are split into parts, and those of the first screen
            lose their least important columns. None for no limit.
        colour: whether to emphasise with ANSI escapes.
        part: `FIRST_SCREEN`, `FULL`, or one of `PARTS`.
    """
    page = lay_out(comparison)
    if part == FIRST_SCREEN:
        shown = first_screen(with_distinct_titles(comparison), page, width)
    else:
        shown = list(_chapters(page, part, width))
    return console_text(shown, width, colour=colour)


def _chapters(page: Page, part: str, width: int | None) -> "Iterator[RenderableType]":
    from rich.text import Text

    shown = [chapter for chapter in page.chapters if part in {FULL, chapter.name}]
    for chapter in shown:
        yield from drawing.title(chapter.title, width)
        for section in chapter.sections:
            yield from drawing.section(section, width)
    if part in PARTS and not shown and page.chapters:
        yield Text(f"chapter {part!r} is empty")
    for remark in page.remarks:
        yield Text(plain(remark))
