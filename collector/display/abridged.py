"""A list as people read it: ids, times and pairs of columns that belong together are shortened."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from collector.display.grid import Grid

SHORTEST_ID: Final = 8
LONGEST_REASON: Final = 300
"""Characters of a reason, which a device or a message decides, in a list for people."""
_SECONDS: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(\.\d+)?Z\Z")


def abridged(grid: Grid) -> Grid:
    """Abridge a list.

    Ids keep as many characters as make them differ, and times their minutes. A machine type stands in for the
    hardware class. Model and precision become one column, and so do the numbers of what is done and of all.
    Long reasons are cut.
    """
    if "machine" in grid.columns:
        grid = _without(grid, "hardware_class")
    grid = _joined(grid, "model", "precision", lambda model, precision: f"{model} {precision}")
    for done, of in (("answers", "asked"), ("answered", "asked"), ("measured", "runs")):
        grid = _joined(grid, done, of, _progress)
    shortened = [_shorten(name, [row[i] for row in grid.rows]) for i, name in enumerate(grid.columns)]
    return grid._replace(rows=list(zip(*shortened, strict=True)))


def _progress(done: object, asked: object) -> str | None:
    return None if done is None else f"{done}/{asked}"


def _joined(grid: Grid, first: str, second: str, join: Callable[[object, object], str | None]) -> Grid:
    """Write two columns into the first of them, if the grid has both."""
    if not {first, second} <= set(grid.columns):
        return grid
    into, other = grid.columns.index(first), grid.columns.index(second)
    rows = [(*row[:into], join(row[into], row[other]), *row[into + 1 :]) for row in grid.rows]
    return _without(grid._replace(rows=rows), second)


def _without(grid: Grid, column: str) -> Grid:
    kept = [i for i, name in enumerate(grid.columns) if name != column]
    return grid._replace(
        columns=tuple(grid.columns[i] for i in kept), rows=[tuple(row[i] for i in kept) for row in grid.rows]
    )


def _shorten(column: str, values: Sequence[object]) -> list[object]:
    if column in {"run", "order", "sha256"}:
        length = SHORTEST_ID
        texts = {str(value) for value in values if value is not None}
        while len({text[:length] for text in texts}) < len(texts):
            length += 1
        return [None if value is None else str(value)[:length] for value in values]
    if column.endswith(("_at", "_since")):
        return [None if value is None else _SECONDS.sub(r"\1 \2", str(value)) for value in values]
    if column == "reason":
        return [None if value is None else _cut(str(value)) for value in values]
    return list(values)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
