"""Charts of runs under load: time, temperature and clock over minutes, and p99 against the rate."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from collector.display.numbers import decimals
from collector.findings.between_rows import Moment
from collector.findings.scenario_run import Rate, ScenarioRun
from collector.report.charts.colours import ModelColours, label
from collector.report.names import full_name
from collector.report.page import Column, Figure, Heading, Table, cells, table_of

_PANEL_PIXELS: Final = 150
_FRAME_PIXELS: Final = 100
_GAP: Final = 0.07
"""The gap between two panels, as a share of the chart's height."""


class _Panel(NamedTuple):
    """One panel of a chart: a reading over time."""

    words: str
    title: str
    unit: str
    digits: int
    read: Any
    """Function from a `Moment` to its number, or None without one."""


_PANELS: Final = (
    _Panel("median time per question", "p50 ms", "ms", 1, lambda m: m.p50_ms),
    _Panel("highest temperature", "°C", "°C", 0, lambda m: m.temperature_celsius),
    _Panel("lowest clock", "MHz", "MHz", 0, lambda m: None if m.clock_hz is None else m.clock_hz / 1e6),
)


def endurance(runs: Sequence[ScenarioRun], place: str, colours: ModelColours) -> Figure:
    """Draw time per question, temperature and clock over the minutes of the sustained runs of one place.

    Args:
        runs: the runs.
        place: the title of the place.
        colours: a colour for each model.
    """
    names = _names(runs)
    panels = [p for p in _PANELS if any(p.read(m) is not None for run in runs for m in run.moments)]
    throttled = [run for run in runs if run.slowed_down_after_seconds is not None]
    return Figure(
        f"Under sustained load: {place}",
        f"{', '.join(panel.words for panel in panels)} over the minutes of each run. ".capitalize()
        + (
            "A dotted line marks when the machine was first throttled."
            if throttled
            else "No sample shows a throttled machine; a note says if that could not be read."
        ),
        _moments(runs, names),
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": label(names[run.run_id]) + _when(run),
                "legendgroup": run.run_id,
                "showlegend": number == 0,
                "tint": colours.of(run.model),
                "line": {"dash": colours.dash(run.precision), "width": 1.75},
                "x": [m.seconds / 60 for m in run.moments],
                "y": [panel.read(m) for m in run.moments],
                "yaxis": _axis(number),
                "connectgaps": True,
                "hovertemplate": f"%{{y:,.{panel.digits}f}} {panel.unit} after %{{x:.1f}} min"
                "<extra>%{fullData.name}</extra>",
            }
            for number, panel in enumerate(panels)
            for run in runs
        ],
        {
            "xaxis": {
                "title": {"text": "minutes since the run started"},
                "anchor": _axis(len(panels) - 1),
                "rangemode": "tozero",
            },
            **{
                _axis(number).replace("y", "yaxis"): {
                    "title": {"text": panel.title},
                    "domain": _domain(number, len(panels)),
                    "nticks": 5,
                    "rangemode": "normal" if panel.unit == "°C" else "tozero",
                }
                for number, panel in enumerate(panels)
            },
            "shapes": [_upright(run, colours) for run in throttled],
            "showlegend": True,
        },
        _FRAME_PIXELS + _PANEL_PIXELS * len(panels),
    )


def latency_against_rate(runs: Sequence[ScenarioRun], place: str, colours: ModelColours) -> Figure:
    """Draw p99 and its bound against the rate at which questions arrive, for the server runs of one place.

    Args:
        runs: the runs.
        place: the title of the place.
        colours: a colour for each model.
    """
    names = _names(runs)
    tried = {run.run_id: sorted(run.rates, key=lambda rate: rate.per_second) for run in runs}
    bounds = sorted({run.latency_bound_ms for run in runs if run.latency_bound_ms is not None})
    limits = " and ".join(f"{bound:,g} ms" for bound in bounds)
    columns: tuple[Column[tuple[ScenarioRun, Rate]], ...] = (
        Column("model", lambda x: names[x[0].run_id], number=False),
        Column("per second", lambda x: decimals(x[1].per_second, 2)),
        Column("p50 ms", lambda x: decimals(x[1].p50_ms, 1)),
        Column("p99 ms", lambda x: decimals(x[1].p99_ms, 1)),
        Column("p99 at most ms", lambda x: decimals(x[1].p99_bound_ms, 1)),
        Column("bound", lambda x: x[1].verdict, number=False),
    )
    rates = [(run, rate) for run in runs for rate in tried[run.run_id]]
    return Figure(
        f"p99 against rate: {place}",
        "The 99th percentile of the time from a question's arrival to its answer, against the number of "
        "questions that arrive per second. Both axes are logarithmic. Filled marks show rates that keep p99 "
        + (
            f"within the latency bound (the dotted line at {limits})."
            if limits
            else "within the latency bound."
        ),
        table_of("The numbers", columns, rates, names=1),
        [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(names[run.run_id]),
                "tint": colours.of(run.model),
                "line": {"dash": colours.dash(run.precision), "width": 1.75},
                "marker": {
                    "size": 9,
                    "symbol": ["circle" if rate.held else "circle-open" for rate in tried[run.run_id]],
                },
                "x": [rate.per_second for rate in tried[run.run_id]],
                "y": [rate.p99_ms for rate in tried[run.run_id]],
                "hovertemplate": "p99 %{y:,.1f} ms at %{x:,.2f} per second<extra>%{fullData.name}</extra>",
            }
            for run in runs
        ],
        {
            "xaxis": {"title": {"text": "questions per second"}, "type": "log"},
            "yaxis": {"title": {"text": "p99 ms"}, "type": "log"},
            "shapes": [
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "y0": bound,
                    "y1": bound,
                    "tint": "quiet",
                    "line": {"dash": "dot", "width": 1.5},
                }
                for bound in bounds
            ],
            "showlegend": True,
        },
        380,
    )


def _names(runs: Sequence[ScenarioRun]) -> dict[str, str]:
    """Name each run by its model, and also by its id if several runs have the same model."""
    titles = {run.run_id: full_name(run.title, run.precision) for run in runs}
    runs_of = Counter(titles.values())
    return {
        run_id: title if runs_of[title] == 1 else f"{title}, run {run_id[:8]}"
        for run_id, title in titles.items()
    }


def _when(run: ScenarioRun) -> str:
    seconds = run.slowed_down_after_seconds
    return "" if seconds is None else f", throttled after {seconds / 60:,.1f} min"


def _axis(number: int) -> str:
    return "y" if number == 0 else f"y{number + 1}"


def _domain(number: int, panels: int) -> list[float]:
    """Return the lower and the upper end of a panel as shares of the height; panel 0 is at the top."""
    height = (1 - _GAP * (panels - 1)) / panels
    top = 1 - number * (height + _GAP)
    return [max(0.0, round(top - height, 4)), round(top, 4)]


def _upright(run: ScenarioRun, colours: ModelColours) -> dict[str, Any]:
    minutes = (run.slowed_down_after_seconds or 0.0) / 60
    return {
        "type": "line",
        "x0": minutes,
        "x1": minutes,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "tint": colours.of(run.model),
        "line": {"dash": "dot", "width": 1.5},
    }


def _moments(runs: Sequence[ScenarioRun], names: dict[str, str]) -> Table:
    return Table(
        "The numbers",
        (
            Heading("model", number=False),
            Heading("minute"),
            Heading("p50 ms"),
            Heading("highest °C"),
            Heading("lowest MHz"),
            Heading("throttled", number=False),
        ),
        tuple(_moment(names[run.run_id], m) for run in runs for m in run.moments),
        names=1,
    )


def _moment(name: str, m: Moment) -> tuple[Any, ...]:
    readings = (decimals(panel.read(m), panel.digits) for panel in _PANELS)
    return cells(name, decimals(m.seconds / 60, 2), *readings, "yes" if m.throttled else "no")
