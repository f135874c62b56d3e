"""What a report consists of, in the order in which it is read: chapters of words, tables and charts.

Every format writes the same chapters, so that no two of them can say different numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

DASH: Final = "–"  # noqa: RUF001  # an en dash stands for "no number" in a table
PARTS: Final = ("answer", "hardware", "scenarios", "evidence", "study", "questions", "method", "provenance")
"""Names of chapters, in the order of reading; `collector report --section` takes one."""


class Heading(NamedTuple):
    """The head of a column."""

    text: str
    number: bool = True
    """Aligned right."""
    detail: bool = False
    """Left out on a terminal's first screen."""


class Cell(NamedTuple):
    """One cell as people read it."""

    text: str
    notes: tuple[int, ...] = ()
    """Numbers of the section's footnotes, from 1."""

    @property
    def marked(self) -> str:
        """The text with its footnotes' marks."""
        return self.text + " ".join(mark(note) for note in self.notes)


class Table(NamedTuple):
    """Rows under headings; the first `names` columns say what a row is."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 2
    folded: bool = False
    """Whether a page shows its title alone until it is asked for more."""


class Figure(NamedTuple):
    """One chart, with what it shows in words and in numbers."""

    title: str
    summary: str
    """What it shows, in a sentence: the text alternative."""
    table: Table
    traces: list[dict[str, Any]]
    """Plotly's own, but for `tint`: the number of a colour of the page."""
    layout: dict[str, Any]
    height: int = 320
    """Pixels, with a legend of one line."""
    wide: bool = False
    """As wide as the page, since its points have names."""


class Section(NamedTuple):
    """A part of a chapter."""

    title: str
    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    footnotes: tuple[str, ...] = ()
    """Of its tables, footnote 1 first."""
    first_screen: bool = True
    """Whether it is on a terminal's first screen, if its chapter is."""


class Chapter(NamedTuple):
    """A chapter."""

    anchor: str
    title: str
    sections: tuple[Section, ...]
    first_screen: bool = False
    """Whether it is on a terminal's first screen; a file always has it."""

    @property
    def name(self) -> str:
        """What `collector report --section` calls it: all places are one."""
        return "hardware" if self.anchor.startswith("place-") else self.anchor


T = TypeVar("T")


class Column(NamedTuple, Generic[T]):
    """One column of a table whose rows are made of `T`: its heading and what its cells say, side by side."""

    heading: str
    text: Callable[[T], str | None]
    """As people read it; None for a dash."""
    number: bool = True
    """Aligned right."""


def table_of(title: str, columns: Sequence[Column[T]], items: Iterable[T], names: int = 2) -> Table:
    """Make a table with a row for each item.

    Args:
        title: of the table.
        columns: from left to right.
        items: from top to bottom.
        names: how many of the first columns say what a row is.
    """
    headings = tuple(Heading(column.heading, column.number) for column in columns)
    return Table(
        title, headings, tuple(cells(*(column.text(item) for column in columns)) for item in items), names
    )


def mark(number: int) -> str:
    """The mark of a footnote."""
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))


def cells(*texts: str | None) -> tuple[Cell, ...]:
    """A row of cells without footnotes; None is a dash."""
    return tuple(Cell(DASH if text is None else text) for text in texts)
