"""Charts of a row's measurements: the distribution of its times, and the temperature over its runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from collector.comparison_inputs.traces import TRACES
from collector.display.numbers import decimals, percent, span
from collector.findings.between_rows import RowName
from collector.findings.comparison import Comparison, Row, RunTrace, name_of
from collector.report.charts.colours import ModelColours, label
from collector.report.names import full_name
from collector.report.page import Figure, Heading, Table, cells

_FRACTIONS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""All of them are in `measured.QUANTILES`, so the table shows quantiles of the times and never estimates."""


def distributions(comparison: Comparison, rows: Sequence[Row], colours: ModelColours) -> Figure | None:
    """Draw the share of questions answered within each time; None without times."""
    titles = _titles(rows)
    shown = [d for d in comparison.distributions if d.row in titles]
    if not shown:
        return None
    return Figure(
        "Distribution of times",
        "The share of questions answered within a time, on a logarithmic axis: a steep curve means steady "
        "times. Steps come from long contexts, which are read in several windows.",
        Table(
            "The numbers",
            (
                Heading("model", number=False),
                *(Heading(f"{fraction:.0%} within ms") for fraction in _FRACTIONS),
            ),
            tuple(
                cells(titles[d.row], *(decimals(_quantile(d.fractions, d.ms, f), 1) for f in _FRACTIONS))
                for d in shown
            ),
            names=1,
        ),
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": label(titles[d.row]),
                "tint": colours.of(d.row.model),
                "line": {"dash": colours.dash(d.row.precision), "width": 2},
                "x": d.ms,
                "y": [100 * fraction for fraction in d.fractions],
                "hovertemplate": "%{y:.0f} % within %{x:,.1f} ms<extra>%{fullData.name}</extra>",
            }
            for d in shown
        ],
        {
            "xaxis": {"title": {"text": "ms"}, "type": "log"},
            "yaxis": {"title": {"text": "% of questions"}, "range": [0, 100]},
        },
        400,
    )


def heat(comparison: Comparison, rows: Sequence[Row], colours: ModelColours) -> Figure | None:
    """Draw the temperature over each run, and when the processor was throttled; None without readings."""
    titles = _titles(rows)
    shown = [
        trace
        for trace in comparison.traces
        if trace.row in titles and any(m.temperature_celsius is not None for m in trace.moments)
    ]
    if not shown:
        return None
    throttled = [
        (moment.seconds, moment.temperature_celsius)
        for trace in shown
        for moment in trace.moments
        if moment.throttled and moment.temperature_celsius is not None
    ]
    left_out = _traces_not_shown(comparison, titles)
    marks: list[dict[str, Any]] = []
    if throttled:
        marks.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "throttled",
                "tint": "warning",
                "marker": {"symbol": "x-thin-open", "size": 7},
                "x": [seconds for seconds, _ in throttled],
                "y": [celsius for _, celsius in throttled],
                "hovertemplate": "throttled at %{y:.0f} °C<extra></extra>",
            }
        )
    return Figure(
        "Temperature over each run",
        "The temperature of the processor over the time since the start of each run, on a logarithmic axis. "
        + (
            "Crosses mark when the processor was throttled."
            if throttled
            else "No sample shown here has a throttled processor; a note says if that could not be read."
            if left_out
            else "No sample shows a throttled processor; a note says if that could not be read."
        )
        + (f" {left_out}" if left_out else ""),
        _heat_table(shown, titles),
        [
            *(
                {
                    "type": "scatter",
                    "mode": _mode(trace),
                    "name": label(titles[trace.row]),
                    "tint": colours.of(trace.row.model),
                    "line": {"dash": colours.dash(trace.row.precision), "width": 1.5},
                    "x": [m.seconds for m in trace.moments],
                    "y": [m.temperature_celsius for m in trace.moments],
                    "connectgaps": True,
                    "hovertemplate": "%{y:.0f} °C after %{x:,.0f} s<extra>%{fullData.name}</extra>",
                }
                for trace in shown
            ),
            *marks,
        ],
        {
            "xaxis": {"title": {"text": "seconds since the run started"}, "type": "log"},
            "yaxis": {"title": {"text": "°C"}},
        },
        400,
    )


def _traces_not_shown(comparison: Comparison, titles: Mapping[RowName, str]) -> str:
    """Write of how many runs of these rows a report has no trace; empty if it has one of each."""
    left_out = {found.row: found.traces for found in comparison.not_shown if found.traces}
    parts = [f"{count:,} of {titles[row]}" for row, count in left_out.items() if row in titles]
    if not parts:
        return ""
    return (
        f"Of each row at most {TRACES} runs are shown: the newest, those that were throttled, drifted, "
        "changed slowly, had many outliers or are not complete, and newer ones before older ones. Not shown: "
        f"{', '.join(parts)}."
    )


def _mode(trace: RunTrace) -> str:
    """Choose a line, or a point for a single reading, which makes no line."""
    return "lines" if sum(m.temperature_celsius is not None for m in trace.moments) > 1 else "markers"


def _heat_table(traces: Sequence[RunTrace], titles: dict[RowName, str]) -> Table:
    return Table(
        "The numbers",
        (
            Heading("model", number=False),
            Heading("device", number=False),
            Heading("first °C"),
            Heading("highest °C"),
            Heading("lowest MHz"),
            Heading("answers"),
            Heading("answers throttled"),
            Heading("last / first p50"),
            Heading("95 %"),
        ),
        tuple(_heat_row(trace, titles[trace.row]) for trace in traces),
    )


def _heat_row(trace: RunTrace, title: str) -> tuple[Any, ...]:
    heats = [m.temperature_celsius for m in trace.moments if m.temperature_celsius is not None]
    clocks = [m.clock_hz for m in trace.moments if m.clock_hz is not None]
    answers = sum(m.answers for m in trace.moments)
    throttled = sum(m.throttled_answers for m in trace.moments)
    return cells(
        title,
        trace.device_id,
        decimals(heats[0], 0),
        decimals(max(heats), 0),
        decimals(min(clocks) / 1e6, 0) if clocks else None,
        f"{answers:,}",
        percent(100 * throttled / answers) if answers else None,
        None if trace.ends is None else f"{trace.ends.ratio:.2f}",
        None if trace.ends is None else span(trace.ends.interval, 2),
    )


def _titles(rows: Sequence[Row]) -> dict[RowName, str]:
    return {name_of(row): full_name(row.title, row.precision) for row in rows}


def _quantile(fractions: Sequence[float], ms: Sequence[float], fraction: float) -> float | None:
    return dict(zip(fractions, ms, strict=True)).get(fraction)
