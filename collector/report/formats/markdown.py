"""The report as Markdown tables, for a README or an issue."""

import html
import re
from collections.abc import Iterable, Iterator
from typing import Final

from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison
from collector.report.layout import lay_out
from collector.report.page import Section, Table, mark

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|~])")


def markdown(comparison: Comparison) -> str:
    """Write a comparison as Markdown; a name cannot break out of its cell by Markdown or HTML."""
    page = lay_out(comparison)
    lines: list[str] = []
    for chapter in page.chapters:
        lines += [f"## {_escaped(chapter.title)}", ""]
        for section in chapter.sections:
            lines += _section(section)
    for remark in page.remarks:
        lines += [_escaped(remark), ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield from (f"### {_escaped(section.title)}", "")
    for words in section.words:
        yield from (_escaped(words), "")
    for table in section.tables:
        if len(section.tables) > 1:
            yield from (f"**{_escaped(table.title)}**", "")
        yield from _table(table)
        yield ""
    for number, text in enumerate(section.footnotes, start=1):
        yield from (f"{mark(number)} {_escaped(text)}", "")


def _table(table: Table) -> Iterator[str]:
    yield _row(_escaped(heading.text) for heading in table.headings)
    yield _row("--:" if heading.number else ":--" for heading in table.headings)
    for row in table.rows:
        yield _row(_escaped(cell.marked) for cell in row)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))
