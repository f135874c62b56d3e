"""Commands that compare: the report of everything, and one run with another."""

from pathlib import Path

import click

from collector.commands.options import FILE, as_json, database, in_colour, say, terminal_width
from collector.errors import BadInput
from collector.report.page import PARTS
from commandline.counted import counted

FORMATS = ("table", "markdown", "csv", "json", "html", "parquet")
REGRESSED = 4
"""Exit status of `compare` when a limit is broken."""


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--baseline", metavar="MODEL", help="Measure speed-up against its fp32 [bert-large].")
@click.option("--require", metavar="EXPRESSION", help="Pick models: 'f1>=88,p90_ms<=150,rss_mb<=400'.")
@click.option("--full", is_flag=True, help="All chapters and columns, not the first screen alone.")
@click.option("--section", type=click.Choice(PARTS), help="One chapter with all its columns.")
@click.option("--to", "target", type=FILE, help="Write here [standard output].")
@database
def report(
    database: Path,
    form: str,
    baseline: str | None,
    require: str | None,
    full: bool,
    section: str | None,
    target: Path | None,
) -> None:
    """Compare models: answers, time, memory and size on each hardware class.

    A table is a first screen, which answers what most people ask: which model on which hardware. The other
    formats are always full.

    `parquet` is not the comparison but all answers, a row each.
    """
    if (full or section) and (form != "table" or (full and section)):
        raise click.UsageError("--full and --section NAME are for a table, one of them at a time")
    if form == "parquet":
        if target is None or baseline or require:
            raise click.UsageError("--format parquet needs --to FILE, and takes no --baseline or --require")
        _export(database, target)
        return
    from collector.comparison.compare import BASELINE, compare_file
    from collector.report.formats.render import render

    comparison = compare_file(database, baseline or BASELINE, require)
    part = "full" if full else section or "first-screen"
    width = None if target else terminal_width()
    text = render(comparison, form, width=width, colour=in_colour() and not target, part=part)
    if target is None:
        click.echo(text, nl=False, color=True)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"report {str(target)!r} cannot be written: {error.strerror}") from None
    say(f"wrote {target}")


def _export(database: Path, target: Path) -> None:
    from collector.store.database import Store
    from collector.store.parquet import write_parquet

    with Store.open_to_read(database) as store:
        rows = write_parquet(store, target)
    say(f"wrote {counted(rows, 'answer')} to {target}")


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--fail-if", "limits", metavar="LIMITS", help="Exit 4 if AFTER is worse: 'p50>5%,f1<-0.5'.")
@as_json
@database
def compare(database: Path, before: str, after: str, limits: str | None, as_json: bool) -> int:
    """Compare run AFTER with run BEFORE, each named by the beginning of its id."""
    from collector.comparison.regression import compare_runs, parse_limits
    from collector.display.changes import changes_json, changes_text
    from collector.store.database import Store

    parsed = parse_limits(limits) if limits else ()
    with Store.open_to_read(database) as store:
        found = compare_runs(store, before, after, parsed)
    click.echo(changes_json(found) if as_json else changes_text(found, terminal_width()), nl=False)
    if found.broken:
        say(f"regressed beyond {', '.join(found.broken)}")
    return REGRESSED if found.broken else 0
