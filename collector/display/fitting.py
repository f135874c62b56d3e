"""Fits the columns of a table into a terminal: the least important are left out, texts are shortened."""

from collections.abc import Sequence
from typing import Final, NamedTuple

GAP: Final = 2
"""Spaces between two columns."""
_SHORTEST: Final = 15
"""A text is not shortened to fewer columns than this, or than its column's name."""
_WORDS: Final = 4
"""A text with as many words is a sentence."""


class Breadth(NamedTuple):
    """How much of the terminal a column of a list takes, before it is drawn."""

    name: str
    widest: int
    """Columns of the terminal that its longest cell or its name takes."""
    title: int
    """Columns of the terminal that its name takes."""
    shrinks: bool
    """Whether its cells can be shortened."""

    @property
    def narrowest(self) -> int:
        """The fewest columns of the terminal in which it can be drawn."""
        return min(self.widest, max(self.title, _SHORTEST)) if self.shrinks else self.widest


def fitted(columns: Sequence[Breadth], least: Sequence[str], width: int) -> dict[str, int]:
    """Choose the columns that fit, and how wide each is.

    Args:
        columns: all columns, in their order.
        least: names of the columns that may be left out, the least important first.
        width: columns of the terminal.

    Returns:
        The chosen columns with their widths, in their order. They are wider than the terminal only if those
        that may not be left out are.
    """
    kept = list(columns)
    for name in least:
        if _total([column.narrowest for column in kept]) <= width:
            break
        kept = [column for column in kept if column.name != name]
    widths = {column.name: column.narrowest for column in kept}
    room = width - _total(list(widths.values()))
    for column in sorted(kept, key=lambda column: _rank(column.name, least), reverse=True):
        more = max(0, min(room, column.widest - column.narrowest))
        widths[column.name] += more
        room -= more
    return widths


def shortened(text: str, width: int) -> str:
    """Shorten a text to a number of terminal columns: a sentence at its end, a name in its middle.

    The ends of names differ, as in `pi5-lab-01` and `pi5-lab-02`, or `bert-large fp32` and `bert-large int8`.
    """
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    tail = 0 if text.count(" ") >= _WORDS else (width - 1) // 2
    end = text[len(text) - tail :]
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, width - 1 - cell_len(end)).rstrip() + "…" + end


def _rank(name: str, least: Sequence[str]) -> int:
    return least.index(name) if name in least else len(least)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
