"""The report as Markdown tables, for a README or an issue."""

import html
import re
from collections.abc import Iterable
from typing import Final

from collector.comparison import Comparison
from collector.report.columns import COLUMNS, footnotes, lay_out, legend
from collector.report.plain import plain

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|~])")


def markdown(comparison: Comparison) -> str:
    """Write a comparison as Markdown. Names cannot break out of their cell, as markup or as HTML."""
    page = lay_out(comparison)
    lines: list[str] = []
    for section in page.sections:
        lines += [f"## {_escaped(section.hardware_class)}, {_escaped(section.questions)}", ""]
        lines.append(_row(column.heading for column in COLUMNS))
        lines.append(_row("--:" if column.number else ":--" for column in COLUMNS))
        lines += [_row(_escaped(cell.marked) for cell in cells) for cells in section.cells]
        lines.append("")
    if not page.sections:
        lines += ["No run has been received yet.", ""]
    for line in (*footnotes(page), *legend(comparison), *comparison.remarks):
        lines += [_escaped(line), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))
