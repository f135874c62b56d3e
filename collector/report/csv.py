"""The report as CSV: full numbers, a row each."""

import csv
import io
from collections.abc import Iterable
from typing import Final

from collector.comparison import Comparison, Row
from collector.report.plain import plain

_FORMULA: Final = ("=", "+", "-", "@")

_WITH_INTERVAL: Final = ("exact_match", "f1", "p50_ms", "p90_ms", "p99_ms", "speed_up")
_NESTED: Final = {"marks", "intervals", "notes"}
_FIELDS: Final = tuple(field for field in Row.__struct_fields__ if field not in _NESTED)


def as_csv(comparison: Comparison) -> str:
    """Write a comparison as CSV with a header line.

    What is not known is an empty cell, and `notes` says why. An interval is two columns, `FIELD_low` and
    `FIELD_high`; `marks` counts what disturbed answers.
    """
    ends = [f"{field}_{end}" for field in _WITH_INTERVAL for end in ("low", "high")]
    return csv_text((*_FIELDS, *ends, "marks", "notes"), map(_values, comparison.rows))


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write rows under column names; no cell starts a formula, and none holds a control character."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _values(row: Row) -> list[object]:
    ends = [end for field in _WITH_INTERVAL for end in row.intervals.get(field, (None, None))]
    marks = "; ".join(f"{mark}: {count}" for mark, count in row.marks.items())
    notes = "; ".join(f"{field}: {text}" for field, texts in row.notes.items() for text in texts)
    return [*(getattr(row, field) for field in _FIELDS), *ends, marks, notes]


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
