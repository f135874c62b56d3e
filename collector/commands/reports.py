"""Commands that compare all runs: the report, in each of its formats."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from collector.commands.known_values import MODELS
from collector.commands.options import (
    FILE,
    FOLDER,
    WORKERS,
    as_json,
    chosen_format,
    database,
    in_colour,
    say,
    terminal_width,
    working,
    write_report,
)
from collector.commands.selecting import selecting
from collector.errors import BadInput
from collector.report.page import PARTS
from collector.store.database import Where, is_address
from commandline.counted import counted
from commandline.help import Command, option_group
from commandline.options import as_usage
from commandline.program.streams import print_json

if TYPE_CHECKING:
    from collector.comparison_inputs.selection import Selection
    from collector.findings.comparison import Comparison

FORMATS = ("table", "markdown", "latex", "model-index", "poster", "csv", "json", "html", "parquet")


@click.command(
    cls=Command,
    examples="""
    collector report --db results.db
    collector report --to report.html --db results.db
    collector report --require "f1>=80,p90_ms<=150,rss_mb<=400" --db results.db
    collector report --device pi-5 --settings threads=4 --db results.db
    collector report --to tables.tex --section hardware --db results.db
    collector report --figures figures --cards cards --db results.db
    """,
)
@option_group(
    "What to compare",
    click.option(
        "--baseline",
        metavar="MODEL",
        shell_complete=MODELS,
        help="Compute speed-ups over this model in fp32, given by its name or title. Where it was not "
        "measured, the largest fp32 model stands in. [default: bert-large]",
    ),
    click.option(
        "--require",
        metavar="EXPRESSION",
        help="Show the models that meet these limits, or the nearest one. Example: "
        "'f1>=88,p90_ms<=150,rss_mb<=400'. An unknown name prints the list of names.",
    ),
    click.option(
        "--by",
        "unit",
        type=click.Choice(("machine", "device")),
        default="machine",
        show_default=True,
        help="What has rows of its own: each type of machine, or each device.",
    ),
    WORKERS,
)
@selecting
@option_group(
    "Output",
    click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        help="Format of the report; model-index is the Hugging Face Hub's metadata for a model card, poster "
        "a page of A3 in HTML, and parquet a table of all answers instead. [default: by the ending of --to, "
        "such as .html or .tex; otherwise table]",
    ),
    as_json,
    click.option(
        "--full", is_flag=True, help="table: print all chapters with all columns, not only the first screen."
    ),
    click.option(
        "--section",
        metavar="CHAPTER",
        type=click.Choice(PARTS),
        help="Print only this chapter of a table or of LaTeX, with all columns: "
        f"{', '.join(PARTS[:-1])} or {PARTS[-1]}.",
    ),
    click.option(
        "--standalone",
        is_flag=True,
        help="Write LaTeX that compiles by itself. [default: tables for \\input]",
    ),
    click.option("--to", "target", type=FILE, help="File to write. [default: standard output]"),
)
@option_group(
    "For papers and model cards",
    click.option(
        "--figures",
        metavar="DIR",
        type=FOLDER,
        help="Write each chart as SVG and PNG into this folder, instead of a report. Needs the extra "
        "`figures`.",
    ),
    click.option(
        "--cards",
        metavar="DIR",
        type=FOLDER,
        help="Write a card in Markdown for each model on each machine into this folder, instead of a report.",
    ),
)
@database
def report(
    database: Where,
    form: str | None,
    as_json: bool,
    baseline: str | None,
    require: str | None,
    unit: str,
    workers: str | None,
    full: bool,
    section: str | None,
    standalone: bool,
    target: Path | None,
    figures: Path | None,
    cards: Path | None,
    selection: "Selection",
) -> None:
    """Compare all models: accuracy, time, memory, size.

    The table shows on one screen which model suits which machine. The other formats contain the whole
    report; `html` has charts, and `collector open` shows it.
    """
    into_folders = figures is not None or cards is not None
    if into_folders and (form or as_json or full or section or target):
        raise click.UsageError("--figures and --cards cannot be used with options of a report's output")
    form = chosen_format(form, as_json, FORMATS, target)
    if full and (form != "table" or section):
        raise click.UsageError("--full needs --format table, and cannot be used with --section")
    if section and form not in {"table", "latex"}:
        raise click.UsageError("--section needs --format table or latex")
    if standalone and form != "latex":
        raise click.UsageError("--standalone needs --format latex")
    if form == "parquet":
        if target is None or baseline or require or not selection.is_everything:
            raise click.UsageError(
                "--format parquet needs --to FILE, and takes no --baseline, no --require and no choice of "
                "runs"
            )
        _export(database, target)
        return
    from collector.comparison.compare import compare_file
    from collector.comparison.requirement import parse
    from collector.report.formats.render import render
    from commandline.program.progress_bar import progress_bars

    if require:
        with as_usage(BadInput):
            parse(require)
    with progress_bars() as progress, working(workers) as computing:
        comparison = compare_file(
            database,
            baseline,
            require,
            selection,
            by_device=unit == "device",
            progress=progress,
            workers=computing,
        )
    if into_folders:
        _write_folders(comparison, figures, cards)
        return
    part = "full" if full else section or "first-screen"
    width = None if target else terminal_width()
    colour = in_colour() and not target
    text = render(comparison, form, width=width, colour=colour, part=part, standalone=standalone)
    if target is None:
        if form == "json":
            print_json(text)
        else:
            click.echo(text, nl=False, color=True)
    else:
        write_report(target, text)


@click.command(
    "open",
    cls=Command,
    examples="""
    collector open --db results.db
    """,
)
@click.option(
    "--to",
    "target",
    type=FILE,
    help="File to write the report to. [default: the database's name with .html, in the current folder]",
)
@database
def open_report(database: Where, target: Path | None) -> None:
    """Show the report with its charts in the browser.

    Writes the report as one HTML file, which needs no internet, and opens it.
    """
    import webbrowser

    from collector.comparison.compare import compare_file
    from collector.report.formats.render import render
    from commandline.program.progress_bar import progress_bars

    named = urlsplit(str(database)).path if is_address(database) else database
    target = target or Path(f"{Path(named).stem}.html")
    with progress_bars() as progress:
        comparison = compare_file(database, progress=progress)
    write_report(target, render(comparison, "html"))
    if not webbrowser.open(target.absolute().as_uri()):
        raise BadInput(f"no browser can be opened here: open {str(target)!r} in one")


def _write_folders(comparison: "Comparison", figures: Path | None, cards: Path | None) -> None:
    from collector.report.papers.cards import write_cards
    from commandline.program.progress_bar import progress_bar

    if figures is not None:
        from collector.report.papers.figure_files import write_figures

        with progress_bar("figures") as progress, _writing(figures):
            written = write_figures(comparison, figures, progress)
        charts = {path.stem for path in written}
        say(f"wrote {counted(len(charts), 'figure')} as SVG and PNG to {figures}")
    if cards is not None:
        with progress_bar("cards") as progress, _writing(cards):
            written = write_cards(comparison, cards, progress)
        say(f"wrote {counted(len(written), 'card')} to {cards}")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(f"folder {str(folder)!r} cannot be written: {error.strerror}") from None


def _export(database: Where, target: Path) -> None:
    from collector.store.opening import open_store_to_read
    from collector.store.parquet import write_parquet

    with open_store_to_read(database) as store:
        rows = write_parquet(store, target)
    say(f"wrote {counted(rows, 'answer')} to {target}")
