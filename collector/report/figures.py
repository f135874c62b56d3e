"""The charts of the HTML report, as Plotly's own JSON, each with the table that says the same.

Three are the study's: EM and F1, time per question, BERTScore F1. The fourth sets accuracy against time.
"""

import html
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from collector.comparison import Row
from collector.recommendation import Candidate, pareto_front
from collector.report.columns import COLUMNS, Column, Section
from collector.report.plain import plain

_BY_KEY: Final = {column.key: column for column in COLUMNS}


class Figure(NamedTuple):
    """One chart of one section."""

    title: str
    summary: str
    """What it shows, in a sentence: the text alternative."""
    headings: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    """The numbers behind it, as the report writes them."""
    traces: list[dict[str, Any]]
    layout: dict[str, Any]


def figures(section: Section) -> list[Figure]:
    """The charts of a section; one without a number to show is left out."""
    made = [_answers(section.rows), _time(section.rows), _bertscore(section.rows), _trade(section.rows)]
    return [figure for figure in made if figure is not None]


def _answers(rows: Sequence[Row]) -> Figure | None:
    scored = [row for row in rows if row.f1 is not None]
    if not scored:
        return None
    return Figure(
        "Exact Match and F1",
        "Bars of Exact Match and token F1 in percent, for each model with a meaningful accuracy.",
        *_table(scored, "exact_match", "f1"),
        [
            _bars(scored, [row.exact_match for row in scored], "EM", digits=1),
            _bars(scored, [row.f1 for row in scored], "F1", digits=1),
        ],
        {"yaxis": {"title": {"text": "percent"}, "range": [0, 100]}, "barmode": "group"},
    )


def _time(rows: Sequence[Row]) -> Figure | None:
    timed = [row for row in rows if row.p50_ms is not None]
    if not timed:
        return None
    return Figure(
        "Time per question",
        "Bars of the median and the 90th percentile of the time per question in milliseconds.",
        *_table(timed, "p50_ms", "p90_ms", "speed_up"),
        [
            _bars(timed, [row.p50_ms for row in timed], "p50", digits=1),
            _bars(timed, [row.p90_ms for row in timed], "p90", digits=1),
        ],
        {"yaxis": {"title": {"text": "ms"}, "rangemode": "tozero"}, "barmode": "group"},
    )


def _bertscore(rows: Sequence[Row]) -> Figure | None:
    scored = [row for row in rows if row.bertscore_f1 is not None]
    if not scored:
        return None
    return Figure(
        "BERTScore F1",
        "Bars of the raw BERTScore F1, from 0 to 1. Unrelated texts score well above 0.",
        *_table(scored, "bertscore_f1"),
        [_bars(scored, [row.bertscore_f1 for row in scored], "BERTScore F1", digits=3)],
        {"yaxis": {"title": {"text": "BERTScore F1"}, "range": [0, 1]}, "bargap": 0.5},
    )


def _trade(rows: Sequence[Row]) -> Figure | None:
    candidates = [
        (row, Candidate(row.f1, row.p50_ms)) for row in rows if row.f1 is not None and row.p50_ms is not None
    ]
    if not candidates:
        return None
    points = [candidate for _, candidate in candidates]
    front = [points[i] for i in pareto_front(points)]
    return Figure(
        "Accuracy against time",
        "Points of F1 in percent over the median time per question in milliseconds, on a logarithmic axis; "
        "a line joins the models that no other one beats in both.",
        *_table([row for row, _ in candidates], "f1", "p50_ms", "best_for"),
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Pareto front",
                "hoverinfo": "skip",
                "line": {"shape": "hv", "dash": "dot"},
                "x": [point.time for point in front],
                "y": [point.f1 for point in front],
            },
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": "models",
                "textposition": "top center",
                "cliponaxis": False,
                "marker": {"size": 12},
                "x": [point.time for point in points],
                "y": [point.f1 for point in points],
                "text": [_label(row) for row, _ in candidates],
            },
        ],
        {
            "xaxis": {"title": {"text": "p50 ms"}, "type": "log"},
            "yaxis": {"title": {"text": "F1 %"}},
        },
    )


def _bars(rows: Sequence[Row], values: Sequence[float | None], name: str, digits: int) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": name,
        "x": [_label(row) for row in rows],
        "y": list(values),
        "texttemplate": f"%{{y:,.{digits}f}}",
        "textposition": "outside",
        "cliponaxis": False,
    }


def _label(row: Row) -> str:
    # Plotly reads a little HTML in its labels.
    return f"{html.escape(plain(row.title))}<br>{row.precision}"


def _table(rows: Sequence[Row], *keys: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    columns: list[Column] = [_BY_KEY[key] for key in ("title", "precision", *keys)]
    return (
        tuple(column.heading for column in columns),
        tuple(tuple(plain(column.text(row) or "") for column in columns) for row in rows),
    )
