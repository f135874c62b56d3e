"""Writes the changes between two runs, for a terminal and as JSON."""

from collections.abc import Iterator

import msgspec

from collector.display.grid import Grid, grid_text
from collector.display.numbers import signed, signed_span
from collector.display.untrusted_text import plain
from collector.display.verdicts import written
from collector.findings.verdict import FAILS, NOT_DECIDED, Verdict
from collector.regression.changes import Change, Regression
from collector.regression.limits import POINTS, TIMES
from commandline.counted import counted
from contract.codec import json_text


def changes_json(found: Regression) -> str:
    """Encode a comparison of two runs as indented JSON, with the fields of `Regression`."""
    return json_text(msgspec.json.encode(found))


def changes_text(found: Regression, width: int | None = None) -> str:
    """Write one line per metric, and what else differs between the runs."""
    grid = Grid(
        ("metric", "questions", "before", "after", "change", "95 %", "verdict"),
        [
            (
                change.metric,
                change.questions,
                f"{change.before:,.1f} {change.unit}",
                f"{change.after:,.1f} {change.unit}",
                f"{signed(change.change, 1)} {'points' if change.metric in POINTS else '%'}",
                None if change.interval is None else signed_span(change.interval, 1),
                _verdict(change),
            )
            for change in found.changes
        ],
        "the runs have no measurement in common",
    )
    lines = [
        f"{found.after[:8]} against {found.before[:8]}, {counted(found.questions, 'question')} timed in both"
        + (f", {counted(found.rounds, 'common round')}" if found.rounds else ""),
        *([f"also different: {plain(', '.join(found.unlike))}"] if found.unlike else []),
        *map(plain, found.notes),
        "",
        grid_text(grid, "table", width).rstrip("\n"),
    ]
    adjusted = sum(change.p_value is not None for change in found.changes if change.metric in TIMES)
    if adjusted > 1:
        lines += ["", f"The verdicts on {adjusted} times are adjusted for their number (Holm)."]
    return "\n".join(lines) + "\n"


def limits_text(found: Regression) -> Iterator[str]:
    """Write one line per limit that is broken or not decided, and what would decide it."""
    for judged in found.limits:
        if judged.verdict.outcome == FAILS:
            yield f"the second run breaks the limit {judged.limit}"
        elif judged.verdict.outcome == NOT_DECIDED:
            yield f"whether the second run breaks the limit {judged.limit} is {_open(found, judged.verdict)}"


def _open(found: Regression, verdict: Verdict) -> str:
    if verdict.unit == "round" and not found.rounds:
        return f"{NOT_DECIDED}: to decide, measure both bundles in one command: agent run BEFORE AFTER"
    return written(verdict)


def _verdict(change: Change) -> str:
    if change.significant is None:
        return "not tested"
    return "significant" if change.significant else "not significant"
