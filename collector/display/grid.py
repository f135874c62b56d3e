"""Writes a list of rows for a terminal, as CSV or as JSON."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from collector.display.console_text import console_text
from collector.display.csv_text import csv_text
from collector.display.untrusted_text import plain
from contract.codec import json_text

GridFormat = Literal["table", "csv", "json"]

_DASH: Final = "–"  # noqa: RUF001  # an en dash means "no value" in a table


class Grid(NamedTuple):
    """Rows under column names."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]
    empty: str
    """The sentence that a terminal shows if there are no rows."""
    exact: bool = False
    """Whether a table shows names and values as they are: numbers unrounded, nothing as an empty cell."""


def grid_text(grid: Grid, form: GridFormat, width: int | None = None) -> str:
    """Write a grid.

    Args:
        grid: what to show.
        form: `json` is an array with one object per row and unrounded values.
        width: columns of the terminal; a wider table's cells are folded. None for no limit.
    """
    match form:
        case "json":
            objects = [dict(zip(grid.columns, map(_bytes_as_hex, row), strict=True)) for row in grid.rows]
            return json_text(msgspec.json.encode(objects))
        case "csv":
            return csv_text(grid.columns, ([_bytes_as_hex(value) for value in row] for row in grid.rows))
        case "table":
            return _table(grid, width) if grid.rows else f"{grid.empty}\n"


def _table(grid: Grid, width: int | None) -> str:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for i, column in enumerate(grid.columns):
        numbers = all(isinstance(row[i], int | float | None) for row in grid.rows)
        table.add_column(
            Text(plain(column if grid.exact else column.replace("_", " "))),
            justify="right" if numbers else "left",
            no_wrap=width is None or i == 0,
            overflow="fold",
        )
    write = _exact if grid.exact else _cell
    for row in grid.rows:
        table.add_row(*(Text(write(value)) for value in row))
    return console_text([table], width)


def _cell(value: object) -> str:
    if value is None:
        return _DASH
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return plain(str(_bytes_as_hex(value)))


def _exact(value: object) -> str:
    return "" if value is None else plain(str(_bytes_as_hex(value)))


def _bytes_as_hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
