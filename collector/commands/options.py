"""Options that several commands take, and how commands speak."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(dir_okay=False, path_type=Path)

database: Callable[[Any], Any] = click.option(
    "--db",
    "database",
    type=FILE,
    envvar="DISTILBENCH_DB",
    show_envvar=True,
    required=True,
    help="The collector's SQLite file.",
)
as_json: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def say(line: str) -> None:
    """A line for the operator, on standard error; data goes to standard output."""
    from collector.report.plain import plain

    click.echo(plain(line), err=True)
