"""The columns of a report, each with its heading, its value and how the value is written.

Every format shows these, so that no two of them can say different numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from collector.comparison import Comparison, Row

DASH: Final = "–"  # noqa: RUF001  # an en dash stands for "no number" in a table

Value = str | int | float | None


class Column(NamedTuple):
    """One column."""

    key: str
    """Field of `Row`, and the column's name in CSV."""
    heading: str
    text: Callable[[Row], str | None]
    """As people read it; None for a dash."""
    number: bool = True
    """Aligned right."""


class Cell(NamedTuple):
    """One cell as people read it."""

    text: str
    notes: tuple[int, ...]
    """Numbers of footnotes, from 1."""

    @property
    def marked(self) -> str:
        """The text with its footnotes' marks."""
        return self.text + " ".join(_mark(note) for note in self.notes)


class Section(NamedTuple):
    """The rows that may be compared with each other: one hardware class and one question file."""

    hardware_class: str
    questions: str
    rows: tuple[Row, ...]
    cells: tuple[tuple[Cell, ...], ...]
    """A row each, a column each."""


class Page(NamedTuple):
    """A comparison laid out, in the order in which it is read."""

    sections: tuple[Section, ...]
    footnotes: tuple[str, ...]
    """Footnote 1 first."""


def _megabytes(count: int | None) -> str | None:
    return None if count is None else f"{count / 1e6:,.1f}"


def _decimals(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:,.{digits}f}"


def _times(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:,.2f}x"


COLUMNS: Final = (
    Column("title", "model", lambda r: r.title, number=False),
    Column("precision", "precision", lambda r: r.precision, number=False),
    Column("answered", "questions", lambda r: f"{r.answered}/{r.selected}"),
    Column("exact_match", "EM %", lambda r: _decimals(r.exact_match, 1)),
    Column("f1", "F1 %", lambda r: _decimals(r.f1, 1)),
    Column("bertscore_f1", "BERTScore F1", lambda r: _decimals(r.bertscore_f1, 3)),
    Column("p50_ms", "p50 ms", lambda r: _decimals(r.p50_ms, 1)),
    Column("p90_ms", "p90 ms", lambda r: _decimals(r.p90_ms, 1)),
    Column("speed_up", "speed-up", lambda r: _times(r.speed_up)),
    Column("parameters", "parameters M", lambda r: _megabytes(r.parameters)),
    Column("layers", "layers", lambda r: None if r.layers is None else str(r.layers)),
    Column("size_bytes", "size MB", lambda r: _megabytes(r.size_bytes)),
    Column("peak_rss_bytes", "memory MB", lambda r: _megabytes(r.peak_rss_bytes)),
    Column("weights_origin", "weights", lambda r: r.weights_origin, number=False),
    Column("best_for", "best for", lambda r: ", ".join(r.best_for) or None, number=False),
)


def lay_out(comparison: Comparison) -> Page:
    """Lay a comparison out in sections, with its footnotes numbered as they come."""
    numbers: dict[str, int] = {}
    sections: dict[tuple[str, str], list[Row]] = {}
    for row in comparison.rows:
        sections.setdefault((row.hardware_class, row.questions_sha256), []).append(row)
    return Page(
        tuple(
            Section(
                rows[0].hardware_class,
                rows[0].questions,
                tuple(rows),
                tuple(tuple(_cell(row, column, numbers) for column in COLUMNS) for row in rows),
            )
            for rows in sections.values()
        ),
        tuple(numbers),
    )


def footnotes(page: Page) -> Iterable[str]:
    """The footnotes with their marks, a line each."""
    return (f"{_mark(number)} {text}" for number, text in enumerate(page.footnotes, start=1))


def legend(comparison: Comparison) -> Sequence[str]:
    """What the columns mean, where the heading does not say it all."""
    lines = [
        "time: tokenise, infer and decode of one question after the other; nearest-rank percentiles",
        f"speed-up: median time of {comparison.baseline} fp32 over that of the model, on the same "
        "hardware and the questions that both answered",
    ]
    if comparison.bertscore is not None:
        lines.append(f"BERTScore: raw, not rescaled, by {comparison.bertscore.hash}")
    return lines


def _cell(row: Row, column: Column, numbers: dict[str, int]) -> Cell:
    notes = tuple(numbers.setdefault(note, len(numbers) + 1) for note in row.notes.get(column.key, ()))
    return Cell(column.text(row) or DASH, notes)


def _mark(number: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))
