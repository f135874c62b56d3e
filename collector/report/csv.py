"""The report as CSV: full numbers, a row each."""

import csv
import io
from typing import Final

from collector.comparison import Comparison, Row
from collector.report.plain import plain

_FORMULA: Final = ("=", "+", "-", "@")

_FIELDS: Final = tuple(
    field for field in Row.__struct_fields__ if field not in {"marks", "intervals", "notes"}
)


def as_csv(comparison: Comparison) -> str:
    """Write a comparison as CSV with a header line; what is not known is an empty cell, `notes` says why."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*_FIELDS, "notes"))
    for row in comparison.rows:
        notes = "; ".join(f"{field}: {text}" for field, texts in row.notes.items() for text in texts)
        writer.writerow([_cell(getattr(row, field)) for field in _FIELDS] + [_cell(notes)])
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, tuple):
        value = ", ".join(value)
    if not isinstance(value, str):
        return value
    text = plain(value)
    # A spreadsheet would run it: an apostrophe makes it text.
    return f"'{text}" if text.startswith(_FORMULA) else text
