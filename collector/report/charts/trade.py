"""The chart of accuracy against time: teacher, students and precisions of one place in one plot."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from collector.display.numbers import span
from collector.findings.between_rows import Interval
from collector.findings.comparison import Comparison, Row, name_of
from collector.report.charts.colours import ModelColours, label
from collector.report.charts.rows import left_out, numbers_table, written
from collector.report.names import full_name
from collector.report.page import Figure

_F1_MARGIN: Final = 4.0
"""Points of F1 above and below all intervals, so that a difference within chance does not look large."""
_LABEL_DECADES: Final = 0.3
"""Room for a label beside the outermost points of a logarithmic axis, in decades."""
_PERCENT: Final = 100.0


def trade(comparison: Comparison, rows: Sequence[Row], colours: ModelColours) -> Figure | None:
    """Draw F1 against the median time of the rows of one place; None if no row has both."""
    shown = [row for row in rows if row.f1 is not None and row.p50_ms]  # 0 has no logarithm
    if not shown:
        return None
    times = [end for row in shown for end in _ends(row, "p50_ms")]
    scores = [end for row in shown for end in _ends(row, "f1")]
    left = math.log10(min(times)) - _LABEL_DECADES
    right = math.log10(max(times)) + _LABEL_DECADES
    bottom, top = max(0.0, min(scores) - _F1_MARGIN), min(_PERCENT, max(scores) + _F1_MARGIN)
    taught = _lessons(comparison, shown)
    return Figure(
        "Accuracy against time",
        "F1 over the median time per question, on a logarithmic axis: higher and further left is better. "
        "Whiskers are 95 % intervals in both directions. The step line is the Pareto front: no other model "
        "beats one on it in both. "
        + "Dotted lines join students to their teacher. " * bool(taught)
        + "If a point shows no name, point at it to see the name."
        + left_out(rows, shown),
        numbers_table(shown, "f1", "f1_interval", "p50_ms", "p50_interval"),
        [
            _front(shown, bottom, 10**right),
            *_joins(taught),
            *_points(shown, colours),
            *_precisions(shown, colours),
        ],
        {
            "xaxis": {"title": {"text": "p50 ms"}, "type": "log", "range": [left, right]},
            "yaxis": {"title": {"text": "F1 %"}, "range": [bottom, top]},
            "showlegend": True,
        },
        420,
        wide=True,
        first=True,
    )


def _ends(row: Row, field: str) -> Interval:
    value = getattr(row, field)
    low, high = row.intervals.get(field, (value, value))
    return (low, high) if low > 0 or field == "f1" else (value, high)


def _lessons(comparison: Comparison, shown: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Pair each student in fp32, or else in the first other precision, with its teacher."""
    rows = {name_of(row): row for row in shown}
    found: dict[str, tuple[Row, Row]] = {}
    for one in comparison.relatives:
        if one.kind == "teacher" and one.row in rows and one.to in rows:
            found.setdefault(one.row.model, (rows[one.row], rows[one.to]))
    return list(found.values())


def _front(shown: Sequence[Row], bottom: float, right_ms: float) -> dict[str, Any]:
    steps = staircase([(row.p50_ms or 0.0, row.f1 or 0.0) for row in shown if row.pareto])
    if steps:  # up to its first point from below, and on to the right of its last one
        steps = [(steps[0][0], bottom), *steps, (right_ms, steps[-1][1])]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Pareto front",
        "showlegend": bool(steps),
        "hoverinfo": "skip",
        "line": {"shape": "hv", "width": 1.5},
        "tint": "quiet",
        "x": [ms for ms, _ in steps],
        "y": [f1 for _, f1 in steps],
    }


def staircase(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Choose the points of time and F1 that no other one beats in both, fastest first."""
    steps: list[tuple[float, float]] = []
    for ms, f1 in sorted(points, key=lambda point: (point[0], -point[1])):
        if not steps or f1 > steps[-1][1]:
            steps.append((ms, f1))
    return steps


def _joins(taught: Sequence[tuple[Row, Row]]) -> Iterator[dict[str, Any]]:
    for number, (student, teacher) in enumerate(taught):
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": "student and its teacher",
            "legendgroup": "teacher",
            "showlegend": number == 0,
            "hoverinfo": "skip",
            "line": {"dash": "dot", "width": 1.75},
            "tint": "text",
            "x": [teacher.p50_ms, student.p50_ms],
            "y": [teacher.f1, student.f1],
        }


def _points(shown: Sequence[Row], colours: ModelColours) -> Iterator[dict[str, Any]]:
    for row, f1, p50 in zip(shown, written(shown, "f1"), written(shown, "p50_ms"), strict=True):
        texts = [f"F1 {f1} %{_between(row, 'f1')}", f"p50 {p50} ms{_between(row, 'p50_ms')}"]
        yield {
            "type": "scatter",
            "mode": "markers",
            "name": label(full_name(row.title, row.precision)),
            "named": "front" if row.pareto else "behind",
            "showlegend": False,
            "tint": colours.of(row.model),
            "cliponaxis": False,
            "marker": {"size": 11, "symbol": colours.symbol(row.precision)},
            "error_x": _whiskers(row, "p50_ms"),
            "error_y": _whiskers(row, "f1"),
            "x": [row.p50_ms],
            "y": [row.f1],
            "text": ["<br>".join(texts)],
            "hovertemplate": "%{fullData.name}<br>%{text}<extra></extra>",
        }


def _between(row: Row, field: str) -> str:
    found = span(row.intervals.get(field), 1)
    return "" if found is None else f" ({found})"


def _whiskers(row: Row, field: str) -> dict[str, Any]:
    value = getattr(row, field)
    low, high = _ends(row, field)
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value],
        "arrayminus": [value - low],
        "thickness": 1.25,
        "width": 4,
        "visible": field in row.intervals,
    }


def _precisions(shown: Sequence[Row], colours: ModelColours) -> Iterator[dict[str, Any]]:
    """Explain the marks of the precisions in the legend, if there are several."""
    found = dict.fromkeys(row.precision for row in shown if row.precision)
    for precision in found if len(found) > 1 else ():
        yield {
            "type": "scatter",
            "mode": "markers",
            "name": label(precision),
            "hoverinfo": "skip",
            "tint": "quiet",
            "marker": {"size": 10, "symbol": colours.symbol(precision)},
            "x": [None],
            "y": [None],
        }
