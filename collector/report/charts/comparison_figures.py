"""The charts of a place, as Plotly's own JSON, each with a table of the same numbers.

Three charts are those of the study: EM and F1, time per question, and BERTScore F1. The others show accuracy
against time, the distribution of times, the temperature over each run, and the energy per question.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from collector.findings.comparison import Comparison, Row
from collector.report.charts.colours import ModelColours, label
from collector.report.charts.curves import distributions, heat
from collector.report.charts.rows import left_out, numbers_table, written
from collector.report.charts.trade import trade
from collector.report.names import full_name
from collector.report.page import Figure

_ROW_PIXELS: Final = 28
_FRAME_PIXELS: Final = 110


def figures(comparison: Comparison, rows: Sequence[Row]) -> Iterator[Figure]:
    """Draw the charts of the rows of one place, without those that have no number to show."""
    colours = ModelColours(comparison)
    made = (
        trade(comparison, rows, colours),
        _answers(rows),
        _time(rows, colours),
        _bertscore(rows, colours),
        distributions(comparison, rows, colours),
        heat(comparison, rows, colours),
        _energy(rows, colours),
    )
    return (figure for figure in made if figure is not None)


def _answers(rows: Sequence[Row]) -> Figure | None:
    shown = [row for row in rows if row.f1 is not None]
    if not shown:
        return None
    return Figure(
        "Exact Match and F1",
        "Exact Match and token F1, in percent, of each model that has an accuracy; the whiskers are 95 % "
        f"intervals.{left_out(rows, shown)}",
        numbers_table(shown, "exact_match", "f1", "f1_interval"),
        [
            _bars(shown, "exact_match", "EM", 1),
            _bars(shown, "f1", "F1", 0),
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
        numbers_table(
            shown, "p50_ms", "p90_ms", "p99_ms", "speed_up", "speed_up_questions", "speed_up_interval"
        ),
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
                    "text": written(shown, field),
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
        "BERTScore F1, from 0 to 1; the whiskers are 95 % intervals. Without rescaling, even unrelated texts "
        f"score well above 0.{left_out(rows, shown)}",
        numbers_table(shown, "bertscore_f1", "bertscore_f1_interval"),
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
        numbers_table(shown, "joules_per_question", "joules_per_correct"),
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
        "text": written(rows, field),
        "texttemplate": "%{text}",
        "textposition": "auto",
        "insidetextanchor": "start",
        "textangle": 0,
        "cliponaxis": False,
        "hovertemplate": f"%{{y}}<br>{name} %{{text}}<extra></extra>",
        **whiskers,
    }


def _by_name(xaxis: dict[str, Any]) -> dict[str, Any]:
    return {"xaxis": xaxis, "yaxis": {"autorange": "reversed", "type": "category"}, "barmode": "group"}
