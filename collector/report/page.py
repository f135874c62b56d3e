"""The parts of a report: chapters of words, tables and charts.

Every format writes the same chapters, so all formats show the same numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from string import ascii_lowercase
from typing import Any, Final, Generic, NamedTuple, TypeVar

DASH: Final = "–"  # noqa: RUF001  # an en dash means "no number" in a table
PARTS: Final = ("answer", "hardware", "scenarios", "evidence", "study", "questions", "method", "provenance")
"""Names of the chapters in reading order; `collector report --section` takes one of them."""


class Heading(NamedTuple):
    """The head of a column."""

    text: str
    number: bool = True
    """Whether the column is aligned right."""
    detail: bool = False
    """Whether a terminal's first screen leaves the column out."""


class Cell(NamedTuple):
    """One cell of a table."""

    text: str
    notes: tuple[int, ...] = ()
    """The cell's footnotes, as positions in the section's footnotes, from 1."""

    @property
    def marked(self) -> str:
        """The text with its footnotes' marks."""
        return self.text + " ".join(mark(note) for note in self.notes)


class Table(NamedTuple):
    """Rows under headings; the first `names` columns identify a row."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    names: int = 2
    folded: bool = False
    """Whether an HTML page shows only the title until the reader opens the table."""
    blocks: bool = False
    """Whether an HTML page shows each row as a block with a line per column, because cells are long."""


class Figure(NamedTuple):
    """One chart, with a summary in words and a table of its numbers."""

    title: str
    summary: str
    """What the chart shows, in a few sentences; also its text alternative."""
    table: Table
    traces: list[dict[str, Any]]
    """Plotly's traces. They also contain `tint`, which names a colour of the page; `named`, for a point with
    its name beside it; and `heat`, `plain` or `reversed`, for the page's colour scale of a heat map."""
    layout: dict[str, Any]
    """Plotly's layout."""
    height: int = 320
    """Height in pixels if the legend has one line."""
    wide: bool = False
    """Whether the chart is as wide as the page, because its points have names."""
    first: bool = False
    """Whether an HTML page shows the chart on its first screen, instead of in its chapter."""
    least_width: int = 0
    """Width in pixels below which a page scrolls the chart sideways."""


class Section(NamedTuple):
    """A part of a chapter."""

    title: str
    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    footnotes: tuple[str, ...] = ()
    """The footnotes of the section's tables, numbered from 1; a cell refers to each of them."""


class Chapter(NamedTuple):
    """A chapter of a report."""

    anchor: str
    title: str
    sections: tuple[Section, ...]
    gist: str = ""
    """The chapter in one line, for a page that shows only its title until the reader opens it."""

    @property
    def name(self) -> str:
        """The chapter's name in `collector report --section`; all places share one name."""
        return "hardware" if self.anchor.startswith("place-") else self.anchor


T = TypeVar("T")


class Column(NamedTuple, Generic[T]):
    """One column of a table whose rows are made of `T`: its heading and the text of its cells."""

    heading: str
    text: Callable[[T], str | None]
    """Function from an item to the cell's text; None for a dash."""
    number: bool = True
    """Whether the column is aligned right."""


def table_of(title: str, columns: Sequence[Column[T]], items: Iterable[T], names: int = 2) -> Table:
    """Make a table with a row for each item.

    Args:
        title: the table's title.
        columns: the columns from left to right.
        items: the items that become rows, from top to bottom.
        names: how many of the first columns identify a row.
    """
    headings = tuple(Heading(column.heading, column.number) for column in columns)
    return Table(
        title, headings, tuple(cells(*(column.text(item) for column in columns)) for item in items), names
    )


def without_details(section: Section) -> Section:
    """Drop a section's detail columns and their footnotes, and number the other footnotes from 1 again."""
    return keeping(section, lambda heading: not heading.detail)


def keeping(section: Section, keep: Callable[[Heading], bool]) -> Section:
    """Drop the columns of a section that `keep` is false for, and number the footnotes that stay from 1."""
    numbers: dict[int, int] = {}
    tables = tuple(_keeping(table, keep, numbers) for table in section.tables)
    footnotes = tuple(section.footnotes[number - 1] for number in numbers)
    return section._replace(tables=tables, footnotes=footnotes)


def _keeping(table: Table, keep: Callable[[Heading], bool], numbers: dict[int, int]) -> Table:
    """Drop columns of a table; `numbers` maps the footnotes seen so far to their new numbers."""
    kept = [i for i, heading in enumerate(table.headings) if keep(heading)]

    def renumbered(cell: Cell) -> Cell:
        return cell._replace(notes=tuple(numbers.setdefault(note, len(numbers) + 1) for note in cell.notes))

    return table._replace(
        headings=tuple(table.headings[i] for i in kept),
        rows=tuple(tuple(renumbered(row[i]) for i in kept) for row in table.rows),
    )


def mark(number: int) -> str:
    """Write a footnote's number in superscript digits."""
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))


def letter(number: int) -> str:
    """Write a footnote's number in letters: a for 1, and aa for 27. A digit would look like an exponent."""
    before, last = divmod(number - 1, len(ascii_lowercase))
    return (letter(before) if before else "") + ascii_lowercase[last]


def cells(*texts: str | None) -> tuple[Cell, ...]:
    """Make a row of cells without footnotes; None becomes a dash."""
    return tuple(Cell(DASH if text is None else text) for text in texts)
