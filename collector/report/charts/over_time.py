"""The chart of a trend: the median time of each run, what changed, and which changes are more than chance."""

import html
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from collector.display.numbers import decimals, span
from collector.display.trend_text import (
    TREND_COLUMNS,
    f1_change,
    time_change,
    trend_line,
    verdict_on_time,
)
from collector.display.untrusted_text import plain
from collector.findings.trend import Trend, TrendPoint
from collector.report.page import Cell, Figure, Heading, Table, cells
from commandline.counted import counted

_WORDS: Final = ("run", "started_at", "verdict", "what_changed")
"""The columns that are not aligned right."""
_RUN_CHARACTERS: Final = 8
_LINE: Final = 0
"""Number of the colour of the line."""


class _Mark(NamedTuple):
    """A kind of change that has a mark in the chart."""

    name: str
    symbol: str
    """Plotly's name of the mark."""
    size: int
    tint: str
    is_at: Callable[[TrendPoint], bool]
    text: Callable[[TrendPoint], str | None]
    """Function from a marked run to the text beside its mark."""
    place: str
    """Where the text is: top or bottom; empty without a text."""


_MARKS: Final = (
    _Mark("something else changed", "circle-open", 15, "quiet", lambda p: bool(p.changed), lambda p: "", ""),
    _Mark(
        "slower, more than chance",
        "triangle-up",
        13,
        "warning",
        lambda p: verdict_on_time(p.since_last) == "slower",
        lambda p: time_change(p.since_last),
        "top",
    ),
    _Mark(
        "faster, more than chance",
        "triangle-down",
        13,
        "tint-2",
        lambda p: verdict_on_time(p.since_last) == "faster",
        lambda p: time_change(p.since_last),
        "top",
    ),
    _Mark(
        "F1 changed, more than chance",
        "star-diamond",
        11,
        "tint-4",
        lambda p: p.since_last is not None and bool(p.since_last.f1_significant),
        lambda p: f"F1 {_f1_points(p)}",
        "bottom",
    ),
)


def over_time(trend: Trend, name: str) -> Figure:
    """Draw the median times of a trend's runs with their intervals, and mark the changes.

    Args:
        trend: the trend; one run is enough.
        name: what it is the trend of, different for all trends of a page.
    """
    points = trend.points
    places = _starts(points)
    by_date = places is not None
    at: Sequence[Any] = range(1, len(points) + 1) if places is None else places
    intervals = [point.p50_interval for point in points]
    return Figure(
        name,
        _summary(trend, by_date=by_date),
        trend_table(trend),
        [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": "p50 ms, 95 %",
                "tint": _LINE,
                "line": {"width": 1.75},
                "marker": {"size": 7},
                "x": list(at),
                "y": [point.p50_ms for point in points],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [
                        None if p.p50_ms is None or i is None else i[1] - p.p50_ms
                        for p, i in zip(points, intervals, strict=True)
                    ],
                    "arrayminus": [
                        None if p.p50_ms is None or i is None else p.p50_ms - i[0]
                        for p, i in zip(points, intervals, strict=True)
                    ],
                    "thickness": 1.2,
                    "width": 4,
                },
                "hovertext": [_hover(point) for point in points],
                "hoverinfo": "text",
            },
            *(_trace(mark, points, at) for mark in _MARKS if any(map(mark.is_at, points))),
        ],
        {
            "xaxis": {"type": "date", "title": {"text": ""}, "tickformat": ""}
            if by_date
            else {"title": {"text": "runs in the order received"}, "nticks": min(len(points) + 1, 12)},
            "yaxis": {"title": {"text": "p50 ms"}},
            "shapes": [_upright(where) for where, p in zip(at, points, strict=True) if p.changed],
            "showlegend": True,
        },
    )


def trend_table(trend: Trend) -> Table:
    """Make the table of a trend's runs, with the columns and the texts of `collector trend`."""
    headings = tuple(Heading(key.replace("_", " "), key not in _WORDS) for key in TREND_COLUMNS)
    return Table("The numbers", headings, tuple(map(_row, trend.points)), names=1)


def _row(point: TrendPoint) -> tuple[Cell, ...]:
    run, *rest = (None if value is None else str(value) for value in trend_line(point))
    return cells((run or "")[:_RUN_CHARACTERS], *rest)


def _summary(trend: Trend, *, by_date: bool) -> str:
    marked = [point for point in trend.points if is_marked(point)]
    left_out = counted(trend.left_out, "run is left out", "runs are left out")
    return " ".join(
        (
            f"Median time per question of {counted(len(trend.points), 'run')}, with its 95 % interval"
            + ("." if marked else "; no change is more than chance."),
            *([f"More than chance: {'; '.join(map(marked_change, marked))}."] if marked else []),
            "Dotted lines mark runs before which something else changed."
            if any(point.changed for point in trend.points)
            else "Nothing else changed between the runs.",
            *(
                []
                if by_date
                else ["Runs are evenly spaced, because the times at which they started do not order them."]
            ),
            *([f"{left_out}: not complete, or small."] if trend.left_out else []),
        )
    )


def is_marked(point: TrendPoint) -> bool:
    """Return whether a change since the run before, of the time or of F1, is more than chance."""
    since = point.since_last
    return since is not None and bool(since.time_significant or since.f1_significant)


def marked_change(point: TrendPoint) -> str:
    """Write a change that is more than chance, as in `2026-03-01: slower, +30.2 % (kernel)`."""
    since = point.since_last
    found = []
    if since is not None and since.time_significant:
        found.append(f"{verdict_on_time(since)}, {time_change(since)}")
    if since is not None and since.f1_significant:
        found.append(f"F1 {_f1_points(point)} points")
    why = f" ({', '.join(point.changed)})" if point.changed else ""
    return f"{point.started_at[:10]}: {', '.join(found)}{why}"


def _f1_points(point: TrendPoint) -> str:
    return (f1_change(point.since_last) or "").partition(",")[0]


def _trace(mark: _Mark, points: Sequence[TrendPoint], at: Sequence[Any]) -> dict[str, Any]:
    marked = [number for number, point in enumerate(points) if mark.is_at(point)]
    sides = ["right" if 2 * number < len(points) else "left" for number in marked]
    return {
        "type": "scatter",
        "mode": "markers+text" if mark.place else "markers",
        "name": mark.name,
        "tint": mark.tint,
        "marker": {"size": mark.size, "symbol": mark.symbol},
        "x": [at[number] for number in marked],
        "y": [points[number].p50_ms for number in marked],
        "text": [mark.text(points[number]) for number in marked],
        **({"textposition": [f"{mark.place} {side}" for side in sides]} if mark.place else {}),
        "cliponaxis": False,
        "hoverinfo": "skip",
    }


def _starts(points: Sequence[TrendPoint]) -> list[str] | None:
    """Return when the runs started; None if that is not the order in which the collector received them."""
    moments = [datetime.fromisoformat(point.started_at) for point in points]
    ordered = all(before < after for before, after in itertools.pairwise(moments))
    return [point.started_at for point in points] if ordered else None


def _hover(point: TrendPoint) -> str:
    change, verdict = time_change(point.since_last), verdict_on_time(point.since_last)
    interval = span(point.p50_interval, 1)
    lines = (
        f"run {point.run_id[:_RUN_CHARACTERS]}, {point.started_at[:16].replace('T', ' ')} UTC",
        f"p50 {decimals(point.p50_ms, 1)} ms" + ("" if interval is None else f" ({interval})"),
        None if change is None else f"{change} since the run before, {verdict}",
        *point.changed,
    )
    return "<br>".join(html.escape(plain(line), quote=False) for line in lines if line)


def _upright(where: Any) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": where,
        "x1": where,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "tint": "quiet",
        "line": {"dash": "dot", "width": 1.5},
    }
