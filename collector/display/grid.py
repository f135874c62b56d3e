"""Writes a list of rows for a terminal, as CSV or as JSON."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from collector.display.console_text import console_text
from collector.display.csv_text import csv_text
from collector.display.fitting import GAP, Breadth, fitted, shortened
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
    least: tuple[str, ...] = ()
    """The columns that a narrow terminal leaves out, the least important first; if there are none, it shows
    all columns and wraps their cells."""


def grid_text(grid: Grid, form: GridFormat, width: int | None = None) -> str:
    """Write a grid.

    Args:
        grid: what to show.
        form: `json` is an array with one object per row and unrounded values.
        width: columns of the terminal, into which a table is fitted; None for no limit.
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

    rows = [[_written(grid, value) for value in row] for row in grid.rows]
    widths = _widths(grid, rows, width) if width and grid.least else None
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="")
    kept = [i for i, name in enumerate(grid.columns) if widths is None or name in widths]
    for i in kept:
        table.add_column(
            Text(_title(grid, grid.columns[i])),
            justify="right" if _numbers(grid, i) else "left",
            no_wrap=width is None or widths is not None or i == 0,
            overflow="fold",
        )
    for row in rows:
        table.add_row(
            *(Text(row[i] if widths is None else shortened(row[i], widths[grid.columns[i]])) for i in kept)
        )
    note = "\n(more columns in a wider terminal, all of them with --json)"
    return console_text([table, *([Text(note)] if len(kept) < len(grid.columns) else [])], width)


def _widths(grid: Grid, rows: Sequence[Sequence[str]], width: int) -> dict[str, int]:
    """The columns that fit into a terminal, with their widths; those without a value go first."""
    from rich.cells import cell_len

    columns = []
    for i, name in enumerate(grid.columns):
        title = cell_len(_title(grid, name))
        widest = max((title, *(cell_len(row[i]) for row in rows)))
        rigid = _numbers(grid, i) or name in {"run", "order", "sha256"} or name.endswith(("_at", "_since"))
        columns.append(Breadth(name, widest, title, shrinks=not rigid))
    empty = [name for i, name in enumerate(grid.columns) if all(row[i] is None for row in grid.rows)]
    return fitted(columns, (*empty, *(name for name in grid.least if name not in empty)), width)


def _numbers(grid: Grid, i: int) -> bool:
    return all(isinstance(row[i], int | float | None) for row in grid.rows)


def _title(grid: Grid, name: str) -> str:
    return plain(name if grid.exact else name.replace("_", " "))


def _written(grid: Grid, value: object) -> str:
    return _exact(value) if grid.exact else _cell(value)


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
