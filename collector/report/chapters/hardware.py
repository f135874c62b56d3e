"""A chapter for each place: one hardware class and one question file, within which numbers are comparable."""

from collections.abc import Iterator, Sequence
from typing import Final

from collector.findings.comparison import Comparison, Row
from collector.report.charts.comparison_figures import figures
from collector.report.columns import COLUMNS, noted_table
from collector.report.names import hardware
from collector.report.page import Chapter, Section, Table

_EXPECTED: Final = {"exact_match", "f1", "bertscore_f1", "p50_ms", "speed_up"}
"""Columns that readers look for: they are shown even if every cell is a dash with a footnote."""


def places(comparison: Comparison) -> Iterator[Chapter]:
    """Lay out one chapter per place, in the order of the comparison's rows."""
    together: dict[tuple[str, str], list[Row]] = {}
    for row in comparison.rows:
        together.setdefault((row.hardware_class, row.questions_sha256), []).append(row)
    for number, rows in enumerate(together.values(), start=1):
        table, footnotes = place_table(rows)
        title = f"{hardware(rows[0].hardware_class)}, {rows[0].questions}"
        drawn = tuple(figures(comparison, rows))
        yield Chapter(
            f"place-{number}", title, (Section("", (), (table,), drawn, footnotes),), first_screen=True
        )


def place_table(rows: Sequence[Row]) -> tuple[Table, tuple[str, ...]]:
    """Make the table of all models of one place, and its footnotes."""
    return noted_table("All models", COLUMNS, rows, _EXPECTED)
