"""Options that several commands share, and how commands print."""

import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collector.errors import BadInput
from collector.store.database import Where, is_address
from commandline.disk import public_mode, write_whole
from commandline.help import option_group
from commandline.options import all_of, as_usage
from commandline.program import messages
from commandline.program.streams import print_json

if TYPE_CHECKING:
    from collector.display.grid import Grid
    from collector.workers.workers import Workers

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

_ENDINGS = {
    ".csv": "csv",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".md": "markdown",
    ".parquet": "parquet",
    ".tex": "latex",
    ".txt": "table",
}
"""The format of a file, by its ending."""

BROKER = "Broker"
EMBEDDED = "Embedded broker"
BUNDLES = "Bundles for devices"
DATABASE = "Database"


class _Database(click.Path):
    """A file, or the address of a database of PostgreSQL, which is returned as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a path or, for an address, a text."""
        return value if is_address(value) else super().convert(value, param, ctx)


database: Callable[[Any], Any] = option_group(
    DATABASE,
    click.option(
        "--db",
        "database",
        type=_Database(dir_okay=False, path_type=Path),
        required=True,
        show_envvar=True,
        help="SQLite file with all results. Several collectors may share a database of PostgreSQL instead: "
        "postgresql://[user@]host[,host]/name, with the extra `postgres`.",
    ),
)
WORKERS = click.option(
    "--workers",
    metavar="N|URL",
    callback=lambda _context, _option, text: _checked(text),
    help="Compute on this many processes, or on the workers of the Dask scheduler at tcp://HOST:PORT, which "
    "needs the extra `cluster`. The numbers are the same. [default: this process alone]",
)
"""Who computes scores and summaries."""
answerable_only: Callable[[Any], Any] = click.option(
    "--answerable-only",
    is_flag=True,
    help="Leave out the questions of a SQuAD 2.0 file that have no answer, and print how many.",
)
as_json: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

credential_options: Callable[[Any], Any] = option_group(
    BROKER,
    click.option(
        "--password-file",
        type=FILE,
        help="File with the broker password; only its owner may have access (chmod 600).",
    ),
    click.option(
        "--ca-file",
        type=FILE,
        help="PEM file of the certificates to trust with mqtts://. [default: those of the system]",
    ),
    click.option(
        "--cert-file",
        type=FILE,
        help="PEM file with the collector's own certificate, for a broker that requires one; or the "
        "certificate of the embedded broker, which then uses TLS.",
    ),
    click.option(
        "--key-file",
        type=FILE,
        help="PEM file with the key of --cert-file; only its owner may have access (chmod 600).",
    ),
)
"""The options for logging in to a broker."""

serving_options: Callable[[Any], Any] = all_of(
    option_group(
        BROKER,
        click.option(
            "--broker",
            metavar="URL",
            help="Receive results from this MQTT broker: mqtt://[user@]host[:port], or mqtts:// for TLS.",
        ),
        click.option(
            "--embedded-broker", is_flag=True, help="Run a broker in this process instead of using --broker."
        ),
    ),
    option_group(
        EMBEDDED,
        click.option(
            "--port",
            metavar="N",
            type=click.IntRange(1, 65_535),
            help="TCP port of the embedded broker. [default: a free port]",
        ),
        click.option(
            "--listen",
            metavar="ADDRESS",
            help="IPv4 address that the embedded broker listens on; needs --credentials. "
            "[default: 127.0.0.1, this machine only]",
        ),
        click.option(
            "--credentials",
            type=FILE,
            help="File with the users of the embedded broker, made by `collector provision --embedded`.",
        ),
    ),
    credential_options,
    option_group(
        BUNDLES,
        click.option(
            "--bundles",
            metavar="DIR",
            type=FOLDER,
            help="Also serve the bundles in this folder over HTTP, for `agent fetch`. Needs the extra `hub`.",
        ),
        click.option(
            "--bundles-at",
            metavar="HOST:PORT",
            default="127.0.0.1:8642",
            show_default=True,
            help="Address and port of this machine to serve the bundles on; the devices must reach it.",
        ),
    ),
    option_group(
        BROKER,
        click.option(
            "--share",
            metavar="GROUP",
            help="Divide the results among all collectors that name this group, each with a database of "
            "its own, or all with one in PostgreSQL.",
        ),
        click.option(
            "--register",
            type=FILE,
            help="File `register.db` of a hub: its devices get their orders (`collector dispatch`) from this "
            "collector. `collector hub` gives it to its own.",
        ),
    ),
    database,
    option_group(DATABASE, WORKERS),
)
"""The options of `collector serve`. A configuration file may set them for every command that has them."""


def optional(options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make options that need not be given from options that may be required."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command = options(command)
        for option in getattr(command, "__click_params__", ()):
            option.required = False
        return command

    return decorate


def bring_up_to_date(database: Where) -> None:
    """Compute the scores and summaries of new data, with a progress bar."""
    from collector.serving import upkeep
    from commandline.program.progress_bar import progress_bars

    with progress_bars() as progress:
        upkeep.bring_up_to_date(database, progress)


@contextmanager
def working(workers: str | None) -> "Iterator[Workers | None]":
    """Have the workers that `--workers` names inside the block; None if this process computes alone."""
    if workers is None:
        yield None
        return
    from collector.workers.workers import workers_of

    with workers_of(workers) as found:
        yield found


def _checked(text: str | None) -> str | None:
    """Check the value of `--workers` before anything is done."""
    if text is not None:
        from collector.workers.workers import workers_of

        with as_usage(BadInput):
            workers_of(text)
    return text


def show_list(grid: "Grid", as_json: bool) -> None:
    """Print a list: shortened and fitted to the terminal for people, in full as JSON."""
    from collector.display.abridged import abridged
    from collector.display.grid import grid_text

    if as_json:
        print_json(grid_text(grid, "json"))
    else:
        click.echo(grid_text(abridged(grid), "table", terminal_width()), nl=False)


def chosen_format(
    form: str | None, as_json: bool, formats: Collection[str], target: Path | None = None
) -> str:
    """Choose the format of an output: the one that is asked for, or that of the file's ending, or a table.

    Args:
        form: the format that the user named; None if none.
        as_json: whether `--json` is given.
        formats: the formats that the command has.
        target: the file to write; None for standard output.

    Raises:
        UsageError: `--json` is given beside another format.
    """
    if as_json and form not in {None, "json"}:
        raise click.UsageError("--json and --format cannot be used together")
    by_ending = _ENDINGS.get(target.suffix.lower(), "table") if target else "table"
    chosen = form or ("json" if as_json else by_ending)
    return chosen if chosen in formats else "table"


def write_report(target: Path, text: str) -> None:
    """Write a report to the file that the user named, and say so.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        write_whole(target, text.encode(), public_mode())
    except OSError as error:
        raise BadInput(f"report {str(target)!r} cannot be written: {error.strerror}") from None
    say(f"wrote {target}")


def terminal_width() -> int | None:
    """Return the width in columns of the terminal that shows standard output; None if no terminal does."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def in_colour() -> bool:
    """Return whether standard output is a terminal, and NO_COLOR is not set (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def say(line: str) -> None:
    """Print a line for the operator on standard error; data goes to standard output."""
    from collector.display.untrusted_text import plain

    messages.say(type(line)(plain(line)))
