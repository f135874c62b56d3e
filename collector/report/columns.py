"""The columns of a place's table: their headings, their values, and how the values are written."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from collector.display.numbers import decimals, megabytes, span, times
from collector.findings.comparison import Row
from collector.report.page import DASH, Cell, Heading, Table


class _Noted(Protocol):
    @property
    def notes(self) -> Mapping[str, Sequence[str]]: ...


T = TypeVar("T", bound=_Noted)


class NotedColumn(NamedTuple, Generic[T]):
    """One column of a table whose rows are `T` and have notes."""

    key: str
    """The field whose notes become the column's footnotes; a column that is no field has a key of its own."""
    heading: str
    text: Callable[[T], str | None]
    """Function from a row to the cell's text; None for a dash."""
    number: bool = True
    """Whether the column is aligned right."""
    detail: bool = False
    """Whether a terminal's first screen leaves the column out."""


def noted_table(
    title: str,
    columns: Sequence[NotedColumn[T]],
    rows: Sequence[T],
    expected: Collection[str],
    names: int = 2,
) -> tuple[Table, tuple[str, ...]]:
    """Make a table without the columns that no row has a value in, and number its footnotes from 1.

    Args:
        title: the table's title.
        columns: the columns to choose from.
        rows: the rows of the table.
        expected: keys of columns that readers look for: they are also shown if all that a row has is a note.
        names: how many of the first columns identify a row.
    """

    def has(column: NotedColumn[T], row: T) -> bool:
        return column.text(row) is not None or (column.key in expected and column.key in row.notes)

    def cell(column: NotedColumn[T], row: T) -> Cell:
        notes = tuple(numbers.setdefault(note, len(numbers) + 1) for note in row.notes.get(column.key, ()))
        return Cell(column.text(row) or DASH, notes)

    numbers: dict[str, int] = {}
    shown = [column for column in columns if any(has(column, row) for row in rows)]
    table = Table(
        title,
        tuple(Heading(column.heading, column.number, column.detail) for column in shown),
        tuple(tuple(cell(column, row) for column in shown) for row in rows),
        names,
    )
    return table, tuple(numbers)


TAKEN_OVER: Final = " ≈"
"""Marks an accuracy, or what is computed from one, that was not measured here but taken over."""


def accuracy(row: Row, value: float | None, digits: int) -> str | None:
    """Write an accuracy of a row, with a mark if it was taken over; None stays None.

    Args:
        row: the row.
        value: its accuracy, or a number that is computed from it.
        digits: how many decimals it is written with.
    """
    written = decimals(value, digits)
    return written if written is None or row.taken_over is None else written + TAKEN_OVER


def _throttled(row: Row) -> str | None:
    return str(row.throttled) if row.timed or row.throttled else None


def _questions(row: Row) -> str | None:
    return None if row.speed_up is None else f"{row.speed_up_questions:,}"


NOT_APART: Final = "not told apart"
"""Stands for the interval of a ratio of two rows that were measured at different times."""
_OF: Final = {
    "machine type": ", machine type",
    "these devices": ", these devices",
    "one run": ", within one run",
    "different times": ", at different times",
}
"""What an interval is about, if it is not the one device that was measured."""


def _speed_up_interval(row: Row) -> str | None:
    """Write the interval of a speed-up, and what it is about; without one, the rows are not told apart."""
    interval = row.intervals.get("speed_up")
    if interval is None:
        return None if row.speed_up is None else NOT_APART
    found = span(interval, 2)
    return None if found is None else found + _OF.get(row.speed_up_of or "", "")


def _interval_of(field: str) -> Callable[[Row], str | None]:
    def text(row: Row) -> str | None:
        found = span(row.intervals.get(field), 1)
        return None if found is None else found + _OF.get(row.times_of or "", "")

    return text


def _per_ms(row: Row) -> str | None:
    mark = "" if row.taken_over is None else TAKEN_OVER
    return None if row.f1_per_ms is None else f"{row.f1_per_ms:,.3g}{mark}"


COLUMNS: Final[tuple[NotedColumn[Row], ...]] = (
    NotedColumn("title", "model", lambda r: r.title, number=False),
    NotedColumn("precision", "precision", lambda r: r.precision, number=False),
    NotedColumn("best_for", "best for", lambda r: ", ".join(r.best_for) or None, number=False),
    NotedColumn("answered", "questions", lambda r: f"{r.answered}/{r.selected}" + " partial" * r.partial),
    NotedColumn("exact_match", "EM %", lambda r: accuracy(r, r.exact_match, 1)),
    NotedColumn(
        "exact_match_interval", "EM 95 %", lambda r: span(r.intervals.get("exact_match"), 1), detail=True
    ),
    NotedColumn("f1", "F1 %", lambda r: accuracy(r, r.f1, 1)),
    NotedColumn("f1_interval", "F1 95 %", lambda r: span(r.intervals.get("f1"), 1)),
    NotedColumn("bertscore_f1", "BERTScore F1", lambda r: accuracy(r, r.bertscore_f1, 3)),
    NotedColumn(
        "bertscore_f1_interval",
        "BERTScore F1 95 %",
        lambda r: span(r.intervals.get("bertscore_f1"), 3),
        detail=True,
    ),
    NotedColumn("p50_ms", "p50 ms", lambda r: decimals(r.p50_ms, 1)),
    NotedColumn("p50_interval", "p50 95 %", _interval_of("p50_ms"), detail=True),
    NotedColumn("p50_devices_ms", "p50 by device", lambda r: span(r.p50_devices_ms, 1)),
    NotedColumn("p90_ms", "p90 ms", lambda r: decimals(r.p90_ms, 1)),
    NotedColumn("p90_interval", "p90 95 %", _interval_of("p90_ms"), detail=True),
    NotedColumn("p99_ms", "p99 ms", lambda r: decimals(r.p99_ms, 1), detail=True),
    NotedColumn("p99_interval", "p99 95 %", _interval_of("p99_ms"), detail=True),
    NotedColumn(
        "questions_per_second", "per second", lambda r: decimals(r.questions_per_second, 2), detail=True
    ),
    NotedColumn("speed_up", "speed-up", lambda r: times(r.speed_up)),
    NotedColumn("speed_up_questions", "on questions", _questions),
    NotedColumn("speed_up_interval", "speed-up 95 %", _speed_up_interval),
    NotedColumn("speed_up_devices", "speed-up by device", lambda r: span(r.speed_up_devices, 2)),
    NotedColumn("f1_per_ms", "F1 per ms", _per_ms, detail=True),
    NotedColumn("joules_per_question", "J/question", lambda r: decimals(r.joules_per_question, 2)),
    NotedColumn(
        "joules_per_correct", "J/correct", lambda r: accuracy(r, r.joules_per_correct, 2), detail=True
    ),
    NotedColumn("load_ms", "load ms", lambda r: decimals(r.load_ms, 0), detail=True),
    NotedColumn("peak_rss_bytes", "memory MB", lambda r: megabytes(r.peak_rss_bytes)),
    NotedColumn("size_bytes", "size MB", lambda r: megabytes(r.size_bytes), detail=True),
    NotedColumn("temperature_celsius", "°C", lambda r: decimals(r.temperature_celsius, 0), detail=True),
    NotedColumn("throttled", "throttled", _throttled, detail=True),
    NotedColumn("parameters", "parameters M", lambda r: megabytes(r.parameters), detail=True),
    NotedColumn("layers", "layers", lambda r: None if r.layers is None else str(r.layers), detail=True),
    NotedColumn("weights_origin", "weights", lambda r: r.weights_origin, number=False, detail=True),
    NotedColumn("pareto", "Pareto", lambda r: "front" if r.pareto else None, number=False),
)
BY_KEY: Final = {column.key: column for column in COLUMNS}
