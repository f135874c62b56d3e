"""The first screen of a report on a terminal: the answer in few lines, and how to see the rest."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from collector.display.console_text import console_text
from collector.display.fitting import Breadth, fitted
from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison
from collector.report.chapters.hardware import main_sections
from collector.report.chapters.short_answer import LEAST, MOST, Places, requirement_lines, short_answer
from collector.report.chapters.verdict import verdict
from collector.report.formats import drawing
from collector.report.layout import Page
from collector.report.page import Section, keeping, without_details
from commandline.counted import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

LINES: Final = 40
"""The tables of many machines are on the first screen only if all of it has at most this many lines."""
_FEW: Final = 2
"""The tables of at most this many machines are always there."""
_LONG_MODEL: Final = 32
"""A longer name of a model is shortened in the answer; a shorter one matters more than some numbers."""
_PARTS: Final = 2
"""Parts of the table of a single machine; columns that need more are left out."""
_LEAST_MAIN: Final = (
    "Pareto",
    "on questions",
    "BERTScore F1",
    "p50 by device",
    "speed-up by device",
    "J/question",
    "questions",
    "EM %",
    "p90 ms",
    "speed-up 95 %",
    "F1 95 %",
    "memory MB",
)
"""The columns of the table of a machine that may be left out, the least important first."""


def first_screen(comparison: Comparison, page: Page, width: int | None) -> "list[RenderableType]":
    """Draw the answer, then the tables of the machines if they are short, and name the other chapters.

    Args:
        comparison: what to show.
        page: the comparison, laid out.
        width: columns of the terminal; None for no limit.
    """
    last = [*_remarks(page), *_more(page)]
    if not comparison.rows:
        return [*_without_rows(page, width), *last]
    answer = list(_answer(comparison, page, width))
    count = len(Places.of(comparison).all)
    tables = [
        part
        for section in main_sections(comparison)
        for part in drawing.section(_fitted(section, width, _PARTS if count == 1 else 1), width)
    ]
    whole = [*answer, *tables, *last]
    if count > _FEW and console_text(whole, width).count("\n") > LINES:
        return [*answer, *last]
    return whole


def _without_rows(page: Page, width: int | None) -> "Iterator[RenderableType]":
    """Draw the runs under load, if there is nothing else."""
    for chapter in page.chapters:
        if chapter.name == "scenarios":
            yield from drawing.title(chapter.title, width)
            for section in chapter.sections:
                yield from drawing.section(without_details(section), width)


def _answer(comparison: Comparison, page: Page, width: int | None) -> "Iterator[RenderableType]":
    from rich.text import Text

    yield from drawing.title(page.chapters[0].title, width)
    for words in verdict(comparison, short=True):
        yield Text(plain(words))
    yield from drawing.section(_shortened(short_answer(comparison), width), width)
    if comparison.requirement is not None:
        yield Text(f"What meets {plain(comparison.requirement.expression)}", style="bold")
        for line in requirement_lines(comparison, comparison.requirement):
            yield Text(plain(line))
        yield ""


def _remarks(page: Page) -> "Iterator[RenderableType]":
    from rich.text import Text

    kept = page.remarks if len(page.remarks) <= MOST else page.remarks[: MOST - 1]
    for remark in kept:
        yield Text(plain(remark))
    if left := len(page.remarks) - len(kept):
        yield Text(f"{counted(left, 'more note')}: --full")


def _more(page: Page) -> "Iterator[RenderableType]":
    from rich.text import Text

    if page.chapters:
        names = dict.fromkeys(chapter.name for chapter in page.chapters)
        yield Text(f"More: --full, --format html for charts, or --section with {', '.join(names)}")


def _shortened(section: Section, width: int | None) -> Section:
    """Fit the table of the answer: the least important columns are left out, names of machines shortened."""
    (table,) = section.tables
    if width is None or not table.rows:
        return section
    widths = drawing.column_widths(table)
    breadths = [
        Breadth(
            heading.text,
            widest,
            len(heading.text),
            shrinks=heading.text == "on" or (heading.text == "model" and widest > _LONG_MODEL),
        )
        for heading, widest in zip(table.headings, widths, strict=True)
    ]
    chosen = fitted(breadths, LEAST, width)
    return drawing.with_short_names(keeping(section, lambda heading: heading.text in chosen), chosen)


def _fitted(section: Section, width: int | None, parts: int) -> Section:
    """Fit the table of a machine into some parts: the least important columns are left out."""
    if width is None:
        return section
    left_out: list[str] = []
    for least in ("", *_LEAST_MAIN):
        left_out.append(least)
        section = keeping(section, lambda heading: heading.text not in left_out)
        short = (drawing.with_narrow_names(table, width) for table in section.tables)
        if all(sum(1 for _ in drawing.column_parts(table, width)) <= parts for table in short):
            break
    return section
