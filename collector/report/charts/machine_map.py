"""The heat maps of machines by models: speed-up, F1 per ms and time, with the line of a requirement."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from collector.findings.between_rows import Place
from collector.findings.comparison import Comparison, Row, name_of, place_of
from collector.report.charts.colours import label
from collector.report.charts.rows import written
from collector.report.names import full_name
from collector.report.page import DASH, Cell, Figure, Heading, Table

_ROW_PIXELS: Final = 26
_HEAD_PIXELS: Final = 150
_NAMES_PIXELS: Final = 200
_COLUMN_PIXELS: Final = 58
_FEWEST: Final = 2

_Model = tuple[str, str, str]
"""Name, title and precision of a model."""


class _Number(NamedTuple):
    """One number of a row that a heat map shows."""

    field: str
    title: str
    words: str
    reverse: bool = False
    """Whether a smaller number is better."""


_NUMBERS: Final = (
    _Number(
        "speed_up",
        "Speed-up over the baseline",
        "How many times as fast as the baseline of its machine each model answers.",
    ),
    _Number("f1_per_ms", "F1 per ms", "F1 in percent over the median time per question, in milliseconds."),
    _Number("p50_ms", "Time, p50 ms", "The median time per question, in milliseconds.", reverse=True),
)


class _Grid(NamedTuple):
    """Machines and models, each from fast to slow, and the rows that were measured."""

    places: tuple[Place, ...]
    models: tuple[_Model, ...]
    rows: Mapping[tuple[Place, str, str], Row]

    def row(self, place: Place, model: _Model) -> Row | None:
        """Return the row of a model on a machine; None if it was not measured."""
        return self.rows.get((place, model[0], model[2]))


def machine_maps(comparison: Comparison) -> Iterator[Figure]:
    """Draw one heat map per number, if there are several machines."""
    grid = _grid([row for row in comparison.rows if row.p50_ms])
    if len(grid.places) >= _FEWEST:
        for number in _NUMBERS:
            if any(getattr(row, number.field) for row in grid.rows.values()):
                yield _figure(comparison, grid, number)


def _grid(rows: Sequence[Row]) -> _Grid:
    times = {(place_of(row), row.model, row.precision): math.log(row.p50_ms or 1.0) for row in rows}
    models = dict.fromkeys((row.model, row.title, row.precision) for row in rows)
    speed = {
        model: _mean([t for (_, name, p), t in times.items() if (name, p) == (model[0], model[2])])
        for model in models
    }
    by_key = {(model[0], model[2]): effect for model, effect in speed.items()}
    places = {
        place: _mean([t - by_key[name, p] for (where, name, p), t in times.items() if where == place])
        for place in dict.fromkeys(map(place_of, rows))
    }
    return _Grid(
        tuple(sorted(places, key=lambda place: places[place])),
        tuple(sorted(speed, key=lambda model: speed[model])),
        {(place_of(row), row.model, row.precision): row for row in rows},
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _figure(comparison: Comparison, grid: _Grid, number: _Number) -> Figure:
    one_file = len({place.questions_sha256 for place in grid.places}) == 1
    machines = [p.machine if one_file else f"{p.machine}, {p.questions}" for p in grid.places]
    models = [full_name(title, precision) for _, title, precision in grid.models]
    texts = [[_text(grid.row(place, model), number) for model in grid.models] for place in grid.places]
    required = _required(comparison, grid)
    return Figure(
        number.title,
        f"{number.words} Machines and models are sorted by speed, the fastest first; darker is better. "
        "A model is compared with the others of its row of the map."
        + (
            f" The line surrounds what meets {comparison.requirement.expression}; a dotted line surrounds "
            "what is not decided."
            if comparison.requirement is not None
            else ""
        ),
        Table(
            "The numbers",
            (Heading("hardware", number=False), *(Heading(model) for model in models)),
            tuple(
                (Cell(machine), *(Cell(text or DASH) for text in line))
                for machine, line in zip(machines, texts, strict=True)
            ),
            names=1,
        ),
        [
            {
                "type": "heatmap",
                "heat": "reversed" if number.reverse else "plain",
                "x": list(range(len(models))),
                "y": list(range(len(machines))),
                "z": [[_z(grid.row(place, model), number) for model in grid.models] for place in grid.places],
                "text": [[text or "" for text in line] for line in texts],
                "texttemplate": "%{text}",
                "customdata": [
                    [f"{label(name)} on {label(machine)}" for name in models] for machine in machines
                ],
                "hovertemplate": "%{customdata}: %{text}<extra></extra>",
                "hoverongaps": False,
                "showscale": False,
                "xgap": 2,
                "ygap": 2,
            },
            *required,
        ],
        {
            "xaxis": _axis(models, side="top", tickangle=-40, ticklabeloverflow="allow"),
            "yaxis": _axis(machines, autorange="reversed"),
            "showlegend": bool(required),
        },
        _HEAD_PIXELS + _ROW_PIXELS * len(machines),
        wide=True,
        first=True,
        least_width=_NAMES_PIXELS + _COLUMN_PIXELS * len(models),
    )


def _axis(names: Sequence[str], **more: Any) -> dict[str, Any]:
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [label(name) for name in names],
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        **more,
    }


def _text(row: Row | None, number: _Number) -> str | None:
    return None if row is None else written([row], number.field)[0]


def _z(row: Row | None, number: _Number) -> float | None:
    value = None if row is None else getattr(row, number.field)
    return math.log10(value) if value else None


def _required(comparison: Comparison, grid: _Grid) -> list[dict[str, Any]]:
    """Draw lines around the cells that meet the requirement, and around those that are not decided."""
    if comparison.requirement is None:
        return []
    met = {name for choice in comparison.requirement.choices for name in choice.met_by}
    undecided = {row.row for choice in comparison.requirement.choices for row in choice.not_decided}
    expression = label(comparison.requirement.expression)
    found = []
    for names, name, dash in ((met, f"meets {expression}", "solid"), (undecided, "not decided", "dot")):
        inside = {
            (x, y)
            for y, place in enumerate(grid.places)
            for x, model in enumerate(grid.models)
            if (row := grid.row(place, model)) is not None and name_of(row) in names
        }
        if inside:
            found.append(_outline(inside, name, dash))
    return found


def _outline(inside: set[tuple[int, int]], name: str, dash: str) -> dict[str, Any]:
    """Draw the edges between cells inside and cells outside."""
    line: dict[str, list[float | None]] = {"x": [], "y": []}
    half = 0.5
    for x, y in sorted(inside):
        for dx, dy in ((0, -1), (0, 1), (-1, 0), (1, 0)):
            if (x + dx, y + dy) not in inside:
                middle_x, middle_y = x + dx * half, y + dy * half
                line["x"] += [middle_x - half * abs(dy), middle_x + half * abs(dy), None]
                line["y"] += [middle_y - half * abs(dx), middle_y + half * abs(dx), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "hoverinfo": "skip",
        "tint": "text",
        "line": {"width": 2.5, "dash": dash},
        **line,
    }
