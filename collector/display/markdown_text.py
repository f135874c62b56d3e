"""Writes Markdown in which no text can break out of its cell, by Markdown or by HTML."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from collector.display.untrusted_text import plain

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|~])")


def markdown_text(text: str) -> str:
    """Escape a text for Markdown, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))


def markdown_table(
    headings: Sequence[str], numbers: Sequence[bool], rows: Iterable[Sequence[str]]
) -> Iterator[str]:
    """Write the lines of a table.

    Args:
        headings: the heads of the columns.
        numbers: whether each column is aligned right.
        rows: the texts of the cells.
    """
    yield _line(headings)
    yield f"| {' | '.join('--:' if number else ':--' for number in numbers)} |"
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"
