"""Writes the changes between two runs, for a terminal and as JSON."""

import msgspec

from collector.comparison.regression import Regression
from collector.display.grid import Grid, grid_text
from collector.display.numbers import signed
from collector.display.untrusted_text import plain
from commandline.counted import counted
from contract.codec import json_text


def changes_json(found: Regression) -> str:
    """Encode a comparison of two runs as indented JSON, with the fields of `Regression`."""
    return json_text(msgspec.json.encode(found))


def changes_text(found: Regression, width: int | None = None) -> str:
    """Write one line per metric, and what else differs between the runs."""
    points = {"em": "points", "f1": "points"}
    grid = Grid(
        ("metric", "questions", "before", "after", "change", "95 %", "verdict"),
        [
            (
                change.metric,
                change.questions,
                f"{change.before:,.1f} {change.unit}",
                f"{change.after:,.1f} {change.unit}",
                f"{signed(change.change, 1)} {points.get(change.metric, '%')}",
                None
                if change.interval is None
                else f"{signed(change.interval[0], 1)} to {signed(change.interval[1], 1)}",
                {True: "significant", False: "not significant", None: "not tested"}[change.significant],
            )
            for change in found.changes
        ],
        "the runs have no measurement in common",
    )
    lines = [
        f"{found.after[:8]} against {found.before[:8]}, {counted(found.questions, 'question')} timed in both",
        *([f"also different: {plain(', '.join(found.unlike))}"] if found.unlike else []),
        "",
        grid_text(grid, "table", width).rstrip("\n"),
    ]
    return "\n".join(lines) + "\n"
