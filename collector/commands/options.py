"""Options that several commands take, and how commands speak."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commandline.options import all_of

if TYPE_CHECKING:
    from collector.display.grid import Grid

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

database: Callable[[Any], Any] = click.option(
    "--db", "database", type=FILE, required=True, help="The collector's SQLite file."
)
as_json: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

credential_options: Callable[[Any], Any] = all_of(
    click.option("--password-file", type=FILE, help="Holds the broker password, readable by you alone."),
    click.option("--ca-file", type=FILE, help="Certificates to trust, PEM [the system's]."),
    click.option("--cert-file", type=FILE, help="Our own certificate, for a broker that asks."),
    click.option("--key-file", type=FILE, help="Its key, readable by you alone."),
)
"""How to get in at a broker."""

serving_options: Callable[[Any], Any] = all_of(
    click.option("--broker", metavar="URL", help="mqtt://[user@]host[:port], or mqtts://… for TLS."),
    click.option("--embedded-broker", is_flag=True, help="Run a broker here, on the loopback address."),
    click.option("--port", type=click.IntRange(1, 65_535), help="Port of the embedded broker [a free one]."),
    click.option(
        "--listen",
        metavar="ADDRESS",
        help="IPv4 address of the embedded broker; needs --credentials.",
    ),
    click.option(
        "--credentials",
        type=FILE,
        help="Who may use the embedded broker: collector provision --embedded.",
    ),
    credential_options,
    click.option("--bundles", type=FOLDER, help="Serve this folder of bundles over HTTP as well."),
    click.option(
        "--bundles-at",
        metavar="HOST:PORT",
        default="127.0.0.1:8642",
        show_default=True,
        help="An address of this machine that devices reach.",
    ),
    click.option("--share", metavar="GROUP", help="Share the results with the collectors of this group."),
    database,
)
"""What `collector serve` does; a configuration file may set these for every command that has them."""


def optional(options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same options, none of them required."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command = options(command)
        for option in getattr(command, "__click_params__", ()):
            option.required = False
        return command

    return decorate


def bring_up_to_date(database: Path) -> None:
    """Make what is derived of what a command brought in, and show how far that is."""
    from collector.display.progress import progress_bar
    from collector.serving import upkeep

    with progress_bar("scores and summaries") as progress:
        upkeep.bring_up_to_date(database, progress)


def show_list(grid: "Grid", as_json: bool) -> None:
    """Print a list: shortened and fitted to the terminal for people, in full as JSON."""
    from collector.display.grid import grid_text
    from collector.display.listing import for_people

    if as_json:
        click.echo(grid_text(grid, "json"), nl=False)
    else:
        click.echo(grid_text(for_people(grid), "table", terminal_width()), nl=False)


def terminal_width() -> int | None:
    """Columns of the terminal that shows standard output; None where none does."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def in_colour() -> bool:
    """Whether standard output is a terminal whose user has nothing against colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def say(line: str) -> None:
    """A line for the operator, on standard error; data goes to standard output."""
    from collector.display.plain import plain

    click.echo(plain(line), err=True)
