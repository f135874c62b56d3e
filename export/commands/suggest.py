"""The command that suggests students from measurements."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commandline.counted import counted
from commandline.help import Command
from commandline.options import as_usage
from commandline.program.streams import print_json_line
from contract.codec import printable
from export.commands.options import CLASSES, json_option
from export.errors import BadInput

if TYPE_CHECKING:
    from rich.table import Table

    from export.suggestion.suggest import Suggestion
    from export.suggestion.suggested_student import SuggestedStudent

_SHOWN = 12


@click.command(
    cls=Command,
    examples="""
    export-models suggest --db results.db --hardware raspberry-pi-4 \\
        --require "f1>=80,p90_ms<=60"
    """,
)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    envvar="DISTILBENCH_DB",
    show_envvar=True,
    help="Database of the collector, which holds the measurements.",
)
@click.option(
    "--hardware",
    required=True,
    metavar="CLASS",
    shell_complete=CLASSES,
    help="Hardware class that the student will run on, as the report names it, such as raspberry-pi-4.",
)
@click.option(
    "--require",
    "requirement",
    required=True,
    metavar="EXPRESSION",
    help="Limits such as f1>=80,p90_ms<=60. Times p50_ms, p90_ms and p99_ms are in milliseconds, size_mb in "
    "MB, parameters_m in millions, f1 and exact_match in percent.",
)
@click.option(
    "--teacher",
    metavar="MODEL",
    help="Measured model that the student learns from. [default: the most accurate]",
)
@json_option
def suggest(db: Path, hardware: str, requirement: str, teacher: str | None, as_json: bool) -> None:
    """Suggest students that should be fast enough on a hardware class.

    Predicts their times and sizes from the measurements on that hardware, and prints the commands that train
    and build them. Accuracy is not predicted.
    """
    from export.suggestion import suggest as suggestion
    from export.suggestion.requirement import parse

    with as_usage(BadInput):
        parse(requirement)
    found = suggestion.suggest(db, hardware, requirement, teacher)
    if as_json:
        print_json_line(found)
        return
    _print(found)


def _print(found: "Suggestion") -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = 200  # a pipe has no width to wrap to
    console.print(
        printable(
            f"{found.requirement} on {found.hardware_class}, {found.questions}, "
            f"{counted(found.threads, 'thread')}: "
            f"predicted from {counted(found.points, 'measurement')} of {counted(found.shapes, 'shape')}"
        )
    )
    if found.already:
        console.print(printable(f"already measured, and meets it: {', '.join(found.already)}"))
    mark = " ≈" if found.teacher_f1_taken_over else ""
    score = "" if found.teacher_f1 is None else f", F1 {found.teacher_f1:.1f}{mark}"
    console.print(printable(f"teacher: {found.teacher_title}{score} ({found.teacher})"))
    console.print()
    console.print(_table(found.candidates[:_SHOWN]))
    hidden = len(found.candidates) - _SHOWN
    if hidden > 0:
        console.print(f"and {hidden} more; --json prints all of them")
    console.print()
    for remark in found.remarks:
        console.print(printable(f"- {remark}"), soft_wrap=True)
    if found.commands:
        console.print(
            "\nTo train and build the largest student that should meet it, and a larger one that may, if any:"
        )
    for command in found.commands:
        console.print(printable(f"  {command}"), soft_wrap=True)


def _table(candidates: "Sequence[SuggestedStudent]") -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("student", "starts from", "precision"):
        table.add_column(title, no_wrap=True)
    for title in ("parameters M", "size MB", *candidates[0].latencies_ms):
        table.add_column(title.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for c in candidates:
        table.add_row(
            c.student,
            c.begins_from,
            c.precision,
            f"{c.parameters / 1e6:.1f}",
            f"{c.size_bytes / 1e6:.0f}",
            *(_predicted(*values) for values in c.latencies_ms.values()),
            c.verdict + (", outside the measured range" if c.extrapolated else ""),
        )
    return table


def _predicted(milliseconds: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"{milliseconds:.1f}"
    return f"{milliseconds:.1f} ({low:.1f} to {high:.1f})"
