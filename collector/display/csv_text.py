"""Rows as CSV that no spreadsheet runs."""

import csv
import io
from collections.abc import Iterable
from typing import Final

from collector.display.plain import plain

_FORMULA: Final = ("=", "+", "-", "@")


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write rows under column names; no cell starts a formula, and none holds a control character."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        value = ", ".join(value)
    if not isinstance(value, str):
        return value
    text = plain(value)
    # A spreadsheet would run it: an apostrophe makes it text.
    return f"'{text}" if text.startswith(_FORMULA) else text
