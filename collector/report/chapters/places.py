"""A chapter for each place: one hardware class and one question file, within which numbers compare."""

from collections.abc import Iterator, Sequence
from typing import Final

from collector.comparison import Comparison, Row
from collector.report.columns import COLUMNS, Column
from collector.report.figures import figures
from collector.report.names import hardware
from collector.report.page import DASH, Cell, Chapter, Heading, Section, Table

_EXPECTED: Final = {"exact_match", "f1", "bertscore_f1", "p50_ms", "speed_up"}
"""A column that people look for is there even if it holds nothing but reasons why."""


def places(comparison: Comparison) -> Iterator[Chapter]:
    """The chapters, in the order of the comparison's rows."""
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
    """All columns that any row has something to say in, and the footnotes."""
    columns = [column for column in COLUMNS if any(_has(column, row) for row in rows)]
    numbers: dict[str, int] = {}
    table = Table(
        "All models",
        tuple(Heading(column.heading, column.number, column.detail) for column in columns),
        tuple(tuple(_cell(row, column, numbers) for column in columns) for row in rows),
    )
    return table, tuple(numbers)


def _has(column: Column, row: Row) -> bool:
    return column.text(row) is not None or (column.key in _EXPECTED and column.key in row.notes)


def _cell(row: Row, column: Column, numbers: dict[str, int]) -> Cell:
    notes = tuple(numbers.setdefault(note, len(numbers) + 1) for note in row.notes.get(column.key, ()))
    return Cell(column.text(row) or DASH, notes)
