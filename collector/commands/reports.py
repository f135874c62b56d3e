"""Commands that compare: the report of all runs, and one run with another."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.commands.known_values import MODELS, RUN_IDS
from collector.commands.options import FILE, as_json, database, in_colour, say, terminal_width
from collector.commands.selecting import selecting
from collector.errors import BadInput
from collector.report.page import PARTS
from commandline.counted import counted
from commandline.disk import public_mode, write_whole
from commandline.help import Command, option_group
from commandline.options import as_usage
from commandline.program.streams import print_json

if TYPE_CHECKING:
    from collector.comparison_inputs.selection import Selection

FORMATS = ("table", "markdown", "csv", "json", "html", "parquet")
_SUFFIXES = {
    ".csv": "csv",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".md": "markdown",
    ".parquet": "parquet",
    ".txt": "table",
}
REGRESSED = 4
"""Exit status of `compare` when a limit is broken, or not decided with `--fail-if-undecided`."""


@click.command(
    cls=Command,
    examples="""
    collector report --db results.db
    collector report --to report.html --db results.db
    collector report --require "f1>=80,p90_ms<=150,rss_mb<=400" --db results.db
    collector report --device pi-5 --settings threads=4 --db results.db
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
)
@selecting
@option_group(
    "Output",
    click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        help="Format of the report; parquet is a table of all answers instead. [default: by the ending of "
        "--to, such as .html or .md; otherwise table]",
    ),
    as_json,
    click.option(
        "--full", is_flag=True, help="table: print all chapters with all columns, not only the first screen."
    ),
    click.option(
        "--section",
        metavar="CHAPTER",
        type=click.Choice(PARTS),
        help=f"table: print only this chapter, with all columns: {', '.join(PARTS[:-1])} or {PARTS[-1]}.",
    ),
    click.option("--to", "target", type=FILE, help="File to write. [default: standard output]"),
)
@database
def report(
    database: Path,
    form: str | None,
    as_json: bool,
    baseline: str | None,
    require: str | None,
    unit: str,
    full: bool,
    section: str | None,
    target: Path | None,
    selection: "Selection",
) -> None:
    """Compare all models: accuracy, time, memory, size.

    The table shows on one screen which model suits which machine. The other formats contain the whole
    report; `html` has charts, and `collector open` shows it.
    """
    if form is None:
        form = "json" if as_json else _SUFFIXES.get(target.suffix.lower(), "table") if target else "table"
    elif as_json and form != "json":
        raise click.UsageError("--json and --format cannot be used together")
    if (full or section) and (form != "table" or (full and section)):
        raise click.UsageError("--full and --section NAME need --format table, and cannot be used together")
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
    with progress_bars() as progress:
        comparison = compare_file(
            database, baseline, require, selection, by_device=unit == "device", progress=progress
        )
    part = "full" if full else section or "first-screen"
    width = None if target else terminal_width()
    text = render(comparison, form, width=width, colour=in_colour() and not target, part=part)
    if target is None:
        if form == "json":
            print_json(text)
        else:
            click.echo(text, nl=False, color=True)
    else:
        _write(target, text)


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
def open_report(database: Path, target: Path | None) -> None:
    """Show the report with its charts in the browser.

    Writes the report as one HTML file, which needs no internet, and opens it.
    """
    import webbrowser

    from collector.comparison.compare import compare_file
    from collector.report.formats.render import render
    from commandline.program.progress_bar import progress_bars

    target = target or Path(f"{database.stem}.html")
    with progress_bars() as progress:
        comparison = compare_file(database, progress=progress)
    _write(target, render(comparison, "html"))
    if not webbrowser.open(target.absolute().as_uri()):
        raise BadInput(f"no browser can be opened here: open {str(target)!r} in one")


def _write(target: Path, text: str) -> None:
    try:
        write_whole(target, text.encode(), public_mode())
    except OSError as error:
        raise BadInput(f"report {str(target)!r} cannot be written: {error.strerror}") from None
    say(f"wrote {target}")


def _export(database: Path, target: Path) -> None:
    from collector.store.database import Store
    from collector.store.parquet import write_parquet

    with Store.open_to_read(database) as store:
        rows = write_parquet(store, target)
    say(f"wrote {counted(rows, 'answer')} to {target}")


@click.command(
    cls=Command,
    examples="""
    collector compare previous latest --db results.db
    collector compare 5ae36d61 18b560e9 --db results.db \\
        --fail-if "time>5%,f1<-0.5"
    """,
)
@click.argument("before", shell_complete=RUN_IDS)
@click.argument("after", shell_complete=RUN_IDS)
@option_group(
    "Limits",
    click.option(
        "--fail-if",
        "limits",
        metavar="LIMITS",
        help="Exit with status 4 if AFTER breaks a limit with all of the change's interval: time, p50, p90, "
        "p99, load and memory change in percent, em, f1 and bertscore in points, such as 'time>5%,f1<-0.5'.",
    ),
    click.option(
        "--noise",
        metavar="PERCENT",
        type=click.FloatRange(min=0),
        default=1.0,
        show_default=True,
        help="A smaller change of a time, of load or of memory breaks no limit, however significant it is.",
    ),
    click.option(
        "--fail-if-undecided", is_flag=True, help="Exit with status 4 also if a limit cannot be decided."
    ),
)
@option_group("Output", as_json)
@database
def compare(
    database: Path,
    before: str,
    after: str,
    limits: str | None,
    noise: float,
    fail_if_undecided: bool,
    as_json: bool,
) -> int:
    """Compare two runs: which changes are more than chance.

    BEFORE and AFTER are ids of runs or the beginnings of them, as `collector runs` lists them, or `previous`
    and `latest`: the newest run, and the one before it that measured the same on the same device.
    """
    from collector.display.changes import changes_json, changes_text, limits_text
    from collector.findings.verdict import FAILS, NOT_DECIDED
    from collector.regression.limits import parse_limits
    from collector.regression.regression import compare_runs
    from collector.store.database import Store

    with as_usage(BadInput):
        parsed = parse_limits(limits) if limits else ()
    with Store.open_to_read(database) as store:
        found = compare_runs(store, before, after, parsed, noise)
    if as_json:
        print_json(changes_json(found))
    else:
        click.echo(changes_text(found, terminal_width()), nl=False)
    for line in limits_text(found):
        say(line)
    failing = {FAILS, NOT_DECIDED} if fail_if_undecided else {FAILS}
    return REGRESSED if failing & {judged.verdict.outcome for judged in found.limits} else 0
