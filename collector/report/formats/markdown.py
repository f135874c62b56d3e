"""The report as Markdown tables, for a README or an issue."""

from collections.abc import Iterator

from collector.display.markdown_text import markdown_table, markdown_text
from collector.findings.comparison import Comparison
from collector.report.layout import lay_out
from collector.report.page import Section, Table, mark


def markdown(comparison: Comparison) -> str:
    """Write a comparison as Markdown; a name cannot break out of its cell by Markdown or HTML."""
    page = lay_out(comparison)
    lines: list[str] = []
    for chapter in page.chapters:
        lines += [f"## {markdown_text(chapter.title)}", ""]
        for section in chapter.sections:
            lines += _section(section)
    for remark in page.remarks:
        lines += [markdown_text(remark), ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield from (f"### {markdown_text(section.title)}", "")
    for words in section.words:
        yield from (markdown_text(words), "")
    for table in section.tables:
        if len(section.tables) > 1:
            yield from (f"**{markdown_text(table.title)}**", "")
        yield from _table(table)
        yield ""
    for number, text in enumerate(section.footnotes, start=1):
        yield from (f"{mark(number)} {markdown_text(text)}", "")


def _table(table: Table) -> Iterator[str]:
    return markdown_table(
        [heading.text for heading in table.headings],
        [heading.number for heading in table.headings],
        ([cell.marked for cell in row] for row in table.rows),
    )
