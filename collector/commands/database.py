"""Commands that show, prune and describe the database."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from collector.commands.known_values import RUN_IDS
from collector.commands.options import (
    as_json,
    chosen_format,
    database,
    in_colour,
    say,
    show_list,
    terminal_width,
)
from collector.commands.selecting import selecting
from collector.store.database import Where
from commandline.counted import counted
from commandline.help import Command, option_group
from commandline.program.streams import print_json

if TYPE_CHECKING:
    from collector.comparison_inputs.selection import Selection
    from collector.display.grid import GridFormat


_QUERY_FORMATS = ("table", "csv", "json")
SHOWN_RUNS = 20
"""How many runs `collector runs` lists on a terminal."""


@click.command(
    cls=Command,
    examples="""
    collector runs --db results.db
    collector runs --last 5 --db results.db
    collector runs --device pi-5 --since 2026-01-31 --db results.db
    """,
)
@selecting
@option_group(
    "Output",
    click.option(
        "--last",
        metavar="N",
        type=click.IntRange(1),
        help=f"List only the N newest runs. [default: {SHOWN_RUNS} on a terminal, otherwise all]",
    ),
    as_json,
)
@database
def runs(database: Where, last: int | None, as_json: bool, selection: "Selection") -> None:
    """List the runs with device, model, progress and state.

    The newest run is first. A run whose end has not arrived is running. It is abandoned once the device
    starts an equal run later, or ends a later one and has not resumed it since.
    """
    from collector.display import listing
    from collector.store.losses import losses
    from collector.store.opening import open_store_to_read
    from collector.store.runs import read_runs

    with open_store_to_read(database) as store:
        found, left_out = read_runs(store)
        lost = losses(store)
    newest_first = selection.of(found)[::-1]
    shown = SHOWN_RUNS if last is None and not as_json and sys.stdout.isatty() else last
    show_list(listing.runs(newest_first[:shown]), as_json)
    if last is None and shown is not None and shown < len(newest_first):
        say(f"{shown} of {counted(len(newest_first), 'run')}; --last N lists more")
    for sentence in (*map(str, left_out), *lost):
        say(sentence)


@click.command(cls=Command)
@selecting
@option_group("Output", as_json)
@database
def devices(database: Where, as_json: bool, selection: "Selection") -> None:
    """List the devices, as their latest runs describe them."""
    from collector.display import listing
    from collector.store.opening import open_store_to_read
    from collector.store.runs import all_runs

    with open_store_to_read(database) as store:
        found = all_runs(store)
    show_list(listing.devices(selection.of(found)), as_json)


@click.command(
    cls=Command,
    examples="""
    collector show 5ae36d61 --db results.db
    """,
)
@click.argument("run", shell_complete=RUN_IDS)
@as_json
@database
def show(database: Where, run: str, as_json: bool) -> None:
    """Show one run: settings, times, telemetry, worst answers.

    RUN is the id of a run or the beginning of one, as `collector runs` lists them, or `latest` or `previous`:
    the newest run, and the one before it that measured the same on the same device.
    """
    from collector.display.run_page import run_json, run_page
    from collector.store.opening import open_store_to_read
    from collector.summaries.run_detail import run_detail

    with open_store_to_read(database) as store:
        detail = run_detail(store, run)
    if as_json:
        print_json(run_json(detail))
    else:
        click.echo(run_page(detail, terminal_width(), colour=in_colour()), nl=False, color=True)


@click.command(
    cls=Command,
    examples="""
    collector query "SELECT model, avg(ms) FROM v_answers GROUP BY model" \\
        --db results.db
    """,
)
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(_QUERY_FORMATS),
    help="Print the rows as a table, as CSV or as JSON. [default: table]",
)
@as_json
@database
def query(database: Where, sql: str, form: "GridFormat | None", as_json: bool) -> None:
    """Run a read-only SQL query and print its rows.

    Values are printed as they are: numbers unrounded, NULL as an empty cell, a BLOB in hexadecimal.
    `collector schema` describes the tables and views.
    """
    from collector.display.grid import Grid, grid_text
    from collector.store.opening import open_store_to_read

    form = cast("GridFormat", chosen_format(form, as_json, _QUERY_FORMATS))
    with open_store_to_read(database) as store:
        columns, rows = store.query(sql)
    text = grid_text(Grid(columns, rows, "no rows", exact=True), form, terminal_width())
    if form == "json":
        print_json(text)
    else:
        click.echo(text, nl=False)


@click.command(
    cls=Command,
    examples="""
    collector prune --run 5ae36d61 --db results.db
    collector prune --before 2026-01-31 --db results.db
    """,
)
@option_group(
    "What to delete",
    click.option(
        "--run",
        "runs",
        multiple=True,
        metavar="RUN",
        shell_complete=RUN_IDS,
        help="Delete this run, named by its id or the beginning of it. May be given several times.",
    ),
    click.option(
        "--before",
        metavar="DATE",
        help="Delete the runs whose first record was received before this day, YYYY-MM-DD in UTC.",
    ),
    click.option("--rejected", is_flag=True, help="Delete all rejected messages."),
    click.option("--yes", is_flag=True, help="Delete without asking."),
    click.option("--dry-run", is_flag=True, help="Print what would be deleted; delete nothing."),
)
@database
def prune(
    database: Where, runs: tuple[str, ...], before: str | None, rejected: bool, yes: bool, dry_run: bool
) -> None:
    """Delete runs or rejected messages for good.

    Prints what it would delete, and asks. Refuses while `collector serve` uses a database file.
    """
    from collector.store.opening import open_store
    from collector.store.prune import prune as remove
    from collector.store.prune import select

    if not (runs or before or rejected):
        raise click.UsageError("give what to remove: --run, --before or --rejected")
    with open_store(database) as store, store.served():
        selection = select(store, runs, before, rejected=rejected)
        if not selection:
            click.echo("nothing to remove")
            return
        if dry_run:
            click.echo(f"would remove {selection}")
            return
        if not yes:
            click.confirm(f"Remove {selection}?", abort=True, err=True)
        remove(store, selection)
        click.echo(f"removed {selection}")


@click.command(cls=Command)
def schema() -> None:
    """Describe the tables and views of the database, as Markdown."""
    import tempfile

    from collector.store.opening import open_store
    from collector.store.schema import describe

    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder, "new.db"), create=True) as store:
        click.echo(describe(store), nl=False)
