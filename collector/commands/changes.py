"""Commands on changes: from one run to another, and over time."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.commands.known_values import RUN_IDS
from collector.commands.options import (
    FILE,
    as_json,
    chosen_format,
    database,
    say,
    terminal_width,
    write_report,
)
from collector.commands.selecting import selecting
from collector.errors import BadInput
from collector.store.database import Where
from commandline.help import Command, option_group
from commandline.options import as_usage
from commandline.program.streams import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.comparison_inputs.selection import Selection
    from collector.findings.trend import Trend

_TREND_FORMATS = ("table", "json", "html")
REGRESSED = 4
"""Exit status of `compare` when a limit is broken, or not decided with `--fail-if-undecided`."""


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
    database: Where,
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
    from collector.store.opening import open_store_to_read

    with as_usage(BadInput):
        parsed = parse_limits(limits) if limits else ()
    with open_store_to_read(database) as store:
        found = compare_runs(store, before, after, parsed, noise)
    if as_json:
        print_json(changes_json(found))
    else:
        click.echo(changes_text(found, terminal_width()), nl=False)
    for line in limits_text(found):
        say(line)
    failing = {FAILS, NOT_DECIDED} if fail_if_undecided else {FAILS}
    return REGRESSED if failing & {judged.verdict.outcome for judged in found.limits} else 0


@click.command(
    cls=Command,
    examples="""
    collector trend --device pi-5 --model minilm-l6 --db results.db
    collector trend --to trend.html --db results.db
    collector trend --device pi-5 --since 2026-01-31 --json --db results.db
    """,
)
@selecting
@option_group(
    "Output",
    click.option(
        "--format",
        "form",
        type=click.Choice(_TREND_FORMATS),
        help="Format of the trends; html is a page with a chart per trend. [default: by the ending of --to, "
        "such as .html or .json; otherwise table]",
    ),
    as_json,
    click.option("--to", "target", type=FILE, help="File to write. [default: standard output]"),
)
@database
def trend(
    database: Where, form: str | None, as_json: bool, target: Path | None, selection: "Selection"
) -> None:
    """Show how times and F1 of a model on a device changed over time.

    Prints the complete runs of each device, model, precision, question file and choice of settings, the
    oldest first, with the software that changed. A change is marked if it is more than chance.
    """
    form = chosen_format(form, as_json, _TREND_FORMATS, target)

    from collector.comparison_inputs.pairs.run_series import gather_series_file
    from collector.regression.trend import trend as trend_of
    from commandline.program.progress_bar import progress_bar

    with progress_bar("trend") as progress:
        trends = [trend_of(series) for series in gather_series_file(database, selection, progress)]
    if not trends and form != "json":
        none = "no complete run of the single-stream scenario was selected; `collector runs` lists the runs"
        if target is None:
            say(none)
            return
        raise BadInput(f"{str(target)!r} was not written: {none}")
    text = _written(trends, form, None if target else terminal_width())
    if target is not None:
        write_report(target, text)
    elif form == "json":
        print_json(text)
    else:
        click.echo(text, nl=False)


def _written(trends: "Sequence[Trend]", form: str, width: int | None) -> str:
    from collector.display.trend_text import trends_json, trends_text

    if form == "json":
        return trends_json(trends)
    if form == "table":
        return trends_text(trends, width)
    from collector.report.formats.trend_html import trends_html
    from commandline.clock import utc_now

    return trends_html(trends, utc_now())
