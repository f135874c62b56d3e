"""Writes rows as CSV in which no cell can run as a formula in a spreadsheet."""

import csv
import io
from collections.abc import Iterable
from typing import Final

from collector.display.untrusted_text import plain

_FORMULA: Final = ("=", "+", "-", "@")


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write rows under column names; no cell starts a formula or contains a control character."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    if not isinstance(value, str):
        return value
    text = plain(value)
    # A spreadsheet would run it as a formula; an apostrophe makes it text.
    return f"'{text}" if text.startswith(_FORMULA) else text
