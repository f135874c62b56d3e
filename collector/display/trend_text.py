"""Writes trends, for a terminal and as JSON."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

import msgspec

from collector.display.abridged import abridged
from collector.display.grid import Grid, grid_text
from collector.display.numbers import decimals, signed, signed_span, span
from collector.display.untrusted_text import plain
from collector.findings.trend import Since, Trend, TrendPoint
from commandline.counted import counted
from contract.codec import json_text

TREND_COLUMNS: Final = (
    "run",
    "started_at",
    "questions",
    "p50_ms",
    "p50_95_%",
    "change",
    "95_%",
    "verdict",
    "since_first",
    "F1_%",
    "F1_change",
    "what_changed",
)
"""The columns of a trend's table."""
_LEAST = ("p50_95_%", "since_first", "questions", "F1_change", "F1_%", "95_%")
"""The columns that a narrow terminal leaves out, the least important first."""

HOW_TESTED: Final = (
    "The change is that of the time per question since the run before, on the questions of both. It is "
    "called slower or faster if it is more than chance, by the test of `collector compare`, adjusted for the "
    "number of runs (Holm). Not tested: no repeat says how much times change from one command to another."
)
"""What the changes of a trend are, and what their verdicts mean."""


def trends_json(trends: Sequence[Trend]) -> str:
    """Encode trends as an indented JSON array, with the fields of `Trend`."""
    return json_text(msgspec.json.encode(trends))


def trends_text(trends: Sequence[Trend], width: int | None = None) -> str:
    """Write a table for each trend, with one line per run, and what the marks mean."""
    lines = [line for trend in trends for line in _trend(trend, width)]
    if any(len(trend.points) > 1 for trend in trends):
        lines += _fitted(HOW_TESTED, width)
    return "\n".join(lines) + "\n"


def _trend(trend: Trend, width: int | None) -> Iterator[str]:
    heading = (
        f"{trend.title} {trend.precision} on {trend.device_id} ({trend.machine}), {trend.questions}: "
        f"{counted(len(trend.points), 'run')}"
    )
    yield from _fitted(plain(heading), width)
    yield from _fitted(plain(trend.settings), width)
    if trend.left_out:
        yield counted(trend.left_out, "run is left out", "runs are left out") + ": not complete, or small"
    yield ""
    grid = Grid(
        TREND_COLUMNS,
        [trend_line(point) for point in trend.points],
        "no run is complete",
        least=_LEAST,
    )
    yield grid_text(abridged(grid), "table", width).rstrip("\n")
    yield ""


def _fitted(text: str, width: int | None) -> list[str]:
    """The lines of a text for a terminal of this width; None for one line."""
    return [text] if width is None else wrap(text, width) or [""]


def trend_line(point: TrendPoint) -> tuple[object, ...]:
    """Return a run of a trend as the cells of its `TREND_COLUMNS`; None is a dash."""
    last, first = point.since_last, point.since_first
    return (
        point.run_id,
        point.started_at,
        point.questions,
        decimals(point.p50_ms, 1),
        span(point.p50_interval, 1),
        time_change(last),
        None if last is None or last.time_interval is None else signed_span(last.time_interval, 1),
        verdict_on_time(last),
        time_change(first),
        decimals(point.f1, 1),
        f1_change(last),
        ", ".join(point.changed) or None,
    )


def time_change(since: Since | None) -> str | None:
    """Write a change of the time, as in `+30.2 %`; None without one."""
    return None if since is None or since.time_percent is None else f"{signed(since.time_percent, 1)} %"


def f1_change(since: Since | None) -> str | None:
    """Write a change of F1 in points, as in `−1.2, significant`; None without one."""  # noqa: RUF002  # a minus sign
    if since is None or since.f1_points is None:
        return None
    return signed(since.f1_points, 1) + (", significant" if since.f1_significant else "")


def verdict_on_time(since: Since | None) -> str | None:
    """Return whether a change of the time is more than chance, in words; None for the first run."""
    if since is None:
        return None
    if since.time_significant is None:
        return "not tested"
    if not since.time_significant:
        return "not significant"
    return "slower" if (since.time_percent or 0.0) > 0 else "faster"
