"""The poster's figures, which are those of the study: EM and F1, time, BERTScore; and the speed-up."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from collector.display.untrusted_text import plain
from collector.findings.comparison import Row
from collector.report.charts.colours import ModelColours, label
from collector.report.columns import BY_KEY
from collector.report.names import full_name
from collector.report.page import Figure, Table
from contract.study import STUDY, Study

_ROW_PIXELS: Final = 21
_FRAME_PIXELS: Final = 92
_MOST_PIXELS: Final = 285
"""A higher chart would be drawn smaller, since each has the same place on the page."""
_NOTHING: Final = Table("", (), ())


class _Bar:
    """One line of a chart: a row, or a model of the study."""

    def __init__(self, row: Row | None = None, study: Study | None = None) -> None:
        self.row, self.study = row, study
        theirs = "" if study is None else f"{study.title}, the study"
        self.name = label(theirs if row is None else full_name(row.title, row.precision))

    def value(self, field: str) -> float | None:
        found: float | None = getattr(self.study if self.row is None else self.row, field)
        return found

    def text(self, field: str) -> str | None:
        if self.row is not None:
            return BY_KEY[field].text(self.row)
        value = self.value(field)
        return None if value is None else f"~{value:.1f}x" if field == "speed_up" else f"{value:.1f}"

    def ends(self, field: str) -> tuple[float, float]:
        value = self.value(field) or 0.0
        return (value, value) if self.row is None else self.row.intervals.get(field, (value, value))


def poster_figures(rows: Sequence[Row], colours: ModelColours) -> Iterator[Figure]:
    """Draw the figures of the rows of one machine and question file, those that have a number to show.

    Args:
        rows: the rows.
        colours: a colour for each model.
    """
    if any(row.f1 is not None for row in rows):
        yield _accuracy(rows)
    timed = [row for row in rows if row.p50_ms]
    if timed:
        yield _times(timed, colours)
    if scored := [row for row in rows if row.bertscore_f1 is not None]:
        bars = [_Bar(row) for row in scored]
        words = "BERTScore F1, 0 to 1, with 95 % intervals; unrelated texts score well above 0."
        yield _bars(
            "BERTScore F1", words, bars, [("bertscore_f1", "BERTScore F1", 2)], "BERTScore F1", [0, 1]
        )
    if any(row.speed_up is not None for row in rows):
        bars = [bar for bar in _beside_the_study(rows) if bar.value("speed_up") is not None]
        words = "How many times faster than the baseline in fp32, with 95 % intervals. ~ marks the study's."
        yield _bars("Speed-up", words, bars, [("speed_up", "speed-up", 3)], "times faster", None)


def _accuracy(rows: Sequence[Row]) -> Figure:
    bars = [bar for bar in _beside_the_study(rows) if bar.value("f1") is not None]
    without = [plain(full_name(row.title, row.precision)) for row in rows if row.f1 is None]
    words = (
        "Exact Match and token F1 in percent, with 95 % intervals. The study measured on questions that its "
        "models were trained on, so its numbers are higher than on questions that a model has not seen."
    )
    if without:
        words += f" Without an accuracy: {', '.join(without)}."
    scores = [("f1", "F1", 0), ("exact_match", "EM", 1)]
    return _bars("Exact Match and F1", words, bars, scores, "percent", [0, 100])


def _beside_the_study(rows: Sequence[Row]) -> list[_Bar]:
    """Return the study's models, each followed by its rows, then the other rows."""
    bars: list[_Bar] = []
    for model, study in STUDY.items():
        bars += [_Bar(study=study), *(_Bar(row) for row in rows if row.model == model)]
    return bars + [_Bar(row) for row in rows if row.model not in STUDY]


def _bars(
    title: str,
    words: str,
    bars: Sequence[_Bar],
    fields: Sequence[tuple[str, str, int]],
    axis: str,
    ends: list[int] | None,
) -> Figure:
    traces: list[dict[str, Any]] = []
    for field, name, tint in fields:
        values = [bar.value(field) for bar in bars]
        around = [bar.ends(field) for bar in bars]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "tint": tint,
                "y": [bar.name for bar in bars],
                "x": values,
                "text": [bar.text(field) for bar in bars],
                "error_x": {
                    "array": [high - (v or 0.0) for (_, high), v in zip(around, values, strict=True)],
                    "arrayminus": [(v or 0.0) - low for (low, _), v in zip(around, values, strict=True)],
                },
            }
        )
    x: dict[str, Any] = {
        "title": {"text": axis},
        **({"rangemode": "tozero"} if ends is None else {"range": ends}),
    }
    layout = {"xaxis": x, "yaxis": {"type": "category", "autorange": "reversed"}}
    height = _FRAME_PIXELS + round((0.55 + 0.45 * len(fields)) * _ROW_PIXELS * len(bars))
    return Figure(title, words, _NOTHING, traces, layout, min(height, _MOST_PIXELS))


def _times(rows: Sequence[Row], colours: ModelColours) -> Figure:
    names = [label(full_name(row.title, row.precision)) for row in rows]
    lines: dict[str, list[Any]] = {"x": [], "y": []}
    for row, name in zip(rows, names, strict=True):
        lines["x"] += [row.p50_ms, row.p99_ms, None]
        lines["y"] += [name, name, None]
    marks = (
        ("p50_ms", "p50", "circle", 0),
        ("p90_ms", "p90", "line-ns-open", "text"),
        ("p99_ms", "p99", "x-thin-open", "text"),
    )
    traces: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "showlegend": False, "tint": "line", **lines}
    ]
    for field, name, symbol, tint in marks:
        values = [getattr(row, field) for row in rows]
        marker = {"size": 10, "symbol": symbol}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "tint": tint,
                "x": values,
                "y": names,
                "marker": marker,
            }
        )
    layout = {
        "xaxis": {"title": {"text": "ms"}, "type": "log"},
        "yaxis": {"type": "category", "autorange": "reversed"},
    }
    words = "Median, 90th and 99th percentile of the time per question, on a logarithmic axis."
    height = min(_MOST_PIXELS, _FRAME_PIXELS + _ROW_PIXELS * len(rows))
    return Figure("Time per question", words, _NOTHING, traces, layout, height)
