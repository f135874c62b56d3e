"""The charts of a place, as Plotly's own JSON, each with a table of the same numbers.

Three charts are those of the study: EM and F1, time per question, and BERTScore F1. The others show accuracy
against time, the distribution of times, the temperature over each run, and the energy per question.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from collector.findings.comparison import Comparison, Row
from collector.report.charts.colours import ModelColours, label
from collector.report.charts.curves import distributions, heat
from collector.report.columns import COLUMNS
from collector.report.names import full_name
from collector.report.page import Column, Figure, Table, table_of

_BY_KEY: Final = {column.key: column for column in COLUMNS}
_ROW_PIXELS: Final = 28
_FRAME_PIXELS: Final = 110
_F1_MARGIN: Final = 6.0
_LABEL_DECADES: Final = 0.35
"""Room for a label beside the outermost points of a logarithmic axis, in decades."""


def figures(comparison: Comparison, rows: Sequence[Row]) -> Iterator[Figure]:
    """Draw the charts of the rows of one place, without those that have no number to show."""
    colours = ModelColours(comparison)
    made = (
        _trade(rows, colours),
        _answers(rows),
        _time(rows, colours),
        _bertscore(rows, colours),
        distributions(comparison, rows, colours),
        heat(comparison, rows, colours),
        _energy(rows, colours),
    )
    return (figure for figure in made if figure is not None)


def _trade(rows: Sequence[Row], colours: ModelColours) -> Figure | None:
    shown = [row for row in rows if row.f1 is not None and row.p50_ms]  # 0 has no logarithm
    if not shown:
        return None
    front = _staircase([(row.p50_ms or 0.0, row.f1 or 0.0) for row in shown if row.pareto])
    times, scores = [row.p50_ms or 0.0 for row in shown], [row.f1 or 0.0 for row in shown]
    return Figure(
        "Accuracy against time",
        "F1 over the median time per question, on a logarithmic axis: higher and further left is better. The "
        "dotted line joins the models of the Pareto front whose numbers no other model beats in both. If a "
        "point shows no name, point at it to see the name.",
        _table(shown, "f1", "f1_interval", "p50_ms", "best_for"),
        [
            {
                "type": "scatter",
                "mode": "lines",
                "hoverinfo": "skip",
                "line": {"shape": "hv", "dash": "dot", "width": 1.5},
                "tint": "quiet",
                "x": [ms for ms, _ in front],
                "y": [f1 for _, f1 in front],
            },
            *(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": label(full_name(row.title, row.precision)),
                    "named": "front" if row.pareto else "behind",
                    "tint": colours.of(row.model),
                    "cliponaxis": False,
                    "marker": {"size": 11, "symbol": colours.symbol(row.precision)},
                    "x": [row.p50_ms],
                    "y": [row.f1],
                    "text": [f"F1 {f1} %, p50 {p50} ms"],
                    "hovertemplate": "%{fullData.name}<br>%{text}<extra></extra>",
                }
                for row, f1, p50 in zip(shown, _written(shown, "f1"), _written(shown, "p50_ms"), strict=True)
            ),
        ],
        {
            "xaxis": {
                "title": {"text": "p50 ms"},
                "type": "log",
                "range": [
                    math.log10(min(times)) - _LABEL_DECADES,
                    math.log10(max(times)) + _LABEL_DECADES,
                ],
            },
            "yaxis": {
                "title": {"text": "F1 %"},
                # Wide enough that a difference within chance does not look large.
                "range": [min(scores) - _F1_MARGIN, max(scores) + _F1_MARGIN],
            },
            "showlegend": False,
        },
        400,
        wide=True,
    )


def _staircase(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Choose the points of time and F1 that no other one beats in both, fastest first."""
    steps: list[tuple[float, float]] = []
    for ms, f1 in sorted(points, key=lambda point: (point[0], -point[1])):
        if not steps or f1 > steps[-1][1]:
            steps.append((ms, f1))
    return steps


def _answers(rows: Sequence[Row]) -> Figure | None:
    shown = [row for row in rows if row.f1 is not None]
    if not shown:
        return None
    return Figure(
        "Exact Match and F1",
        "Exact Match and token F1, in percent, of each model that has an accuracy; the whiskers are 95 % "
        "intervals.",
        _table(shown, "exact_match", "f1", "f1_interval"),
        [
            _bars(shown, "f1", "F1", 0),
            _bars(shown, "exact_match", "EM", 1),
        ],
        _by_name({"title": {"text": "percent"}, "range": [0, 100]}),
        _FRAME_PIXELS + 2 * _ROW_PIXELS * len(shown) * 3 // 4,
    )


def _time(rows: Sequence[Row], colours: ModelColours) -> Figure | None:
    shown = [row for row in rows if row.p50_ms is not None]
    if not shown:
        return None
    names = [label(full_name(row.title, row.precision)) for row in shown]
    lines: dict[str, list[Any]] = {"x": [], "y": []}
    for row, name in zip(shown, names, strict=True):
        lines["x"] += [row.p50_ms, row.p99_ms, None]
        lines["y"] += [name, name, None]
    marks = (
        ("p50_ms", "p50", "circle", 11),
        ("p90_ms", "p90", "line-ns-open", 12),
        ("p99_ms", "p99", "x-thin-open", 8),
    )
    return Figure(
        "Time per question",
        "The median, the 90th and the 99th percentile of the time per question, in milliseconds, on a "
        "logarithmic axis: further left is faster.",
        _table(shown, "p50_ms", "p90_ms", "p99_ms", "speed_up", "speed_up_questions", "speed_up_interval"),
        [
            {
                "type": "scatter",
                "mode": "lines",
                "hoverinfo": "skip",
                "showlegend": False,
                "tint": "line",
                **lines,
            },
            *(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": [getattr(row, field) for row in shown],
                    "y": names,
                    "tint": 0 if field == "p50_ms" else "text",
                    "marker": {"size": size, "symbol": symbol},
                    "text": _written(shown, field),
                    "hovertemplate": f"%{{y}}<br>{name} %{{text}} ms<extra></extra>",
                }
                for field, name, symbol, size in marks
            ),
        ],
        _by_name({"title": {"text": "ms"}, "type": "log"}),
        _FRAME_PIXELS + _ROW_PIXELS * len(shown),
    )


def _bertscore(rows: Sequence[Row], colours: ModelColours) -> Figure | None:
    shown = [row for row in rows if row.bertscore_f1 is not None]
    if not shown:
        return None
    return Figure(
        "BERTScore F1",
        "BERTScore F1, from 0 to 1. Without rescaling, even unrelated texts score well above 0.",
        _table(shown, "bertscore_f1"),
        [_bars(shown, "bertscore_f1", "BERTScore F1", 0)],
        _by_name({"title": {"text": "BERTScore F1"}, "range": [0, 1]}),
        _FRAME_PIXELS + _ROW_PIXELS * len(shown),
    )


def _energy(rows: Sequence[Row], colours: ModelColours) -> Figure | None:
    shown = [row for row in rows if row.joules_per_question is not None]
    if not shown:
        return None
    sources = ", ".join(dict.fromkeys(row.energy_source or "an unnamed meter" for row in shown))
    return Figure(
        "Energy per question",
        f"Joules per answered question, including idle power, measured by {sources}.",
        _table(shown, "joules_per_question", "joules_per_correct"),
        [_bars(shown, "joules_per_question", "J per question", 0)],
        _by_name({"title": {"text": "joules"}, "rangemode": "tozero"}),
        _FRAME_PIXELS + _ROW_PIXELS * len(shown),
    )


def _bars(rows: Sequence[Row], field: str, name: str, tint: int) -> dict[str, Any]:
    values = [getattr(row, field) for row in rows]
    whiskers = {}
    if any(field in row.intervals for row in rows):
        ends = [row.intervals.get(field, (value, value)) for row, value in zip(rows, values, strict=True)]
        whiskers = {
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [high - value for (_, high), value in zip(ends, values, strict=True)],
                "arrayminus": [value - low for (low, _), value in zip(ends, values, strict=True)],
                "thickness": 1,
                "width": 3,
            }
        }
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "tint": tint,
        "y": [label(full_name(row.title, row.precision)) for row in rows],
        "x": values,
        "text": _written(rows, field),
        "texttemplate": "%{text}",
        "textposition": "auto",
        "insidetextanchor": "start",
        "textangle": 0,
        "cliponaxis": False,
        "hovertemplate": f"%{{y}}<br>{name} %{{text}}<extra></extra>",
        **whiskers,
    }


def _written(rows: Sequence[Row], field: str) -> list[str | None]:
    """Write numbers as the tables show them, since a browser would round halves differently."""
    return [_BY_KEY[field].text(row) for row in rows]


def _by_name(xaxis: dict[str, Any]) -> dict[str, Any]:
    return {"xaxis": xaxis, "yaxis": {"autorange": "reversed", "type": "category"}, "barmode": "group"}


def _table(rows: Sequence[Row], *keys: str) -> Table:
    columns = [_BY_KEY[key] for key in ("title", "precision", *keys)]
    return table_of("The numbers", [Column(c.heading, c.text, c.number) for c in columns], rows)
