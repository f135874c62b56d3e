"""Commands that compare: the report."""

import sys
from pathlib import Path

import click

from collector.commands.options import FILE, database, say
from collector.errors import BadInput

FORMATS = ("table", "markdown", "csv", "json", "html")


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--baseline", metavar="MODEL", help="Measure speed-up against its fp32 [bert-large].")
@click.option(
    "--require", metavar="EXPRESSION", help="Pick models: 'f1>=88,p90_ms<=150,rss_mb<=400'."
)
@click.option("--to", "target", type=FILE, help="Write here [standard output].")
@database
def report(database: Path, form: str, baseline: str | None, require: str | None, target: Path | None) -> None:
    """Compare models: answers, time, memory and size on each hardware class."""
    from collector.compare import BASELINE, compare_file
    from collector.report.render import render

    comparison = compare_file(database, baseline or BASELINE, require)
    text = render(comparison, form, terminal=target is None and sys.stdout.isatty())
    if target is None:
        click.echo(text, nl=False)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"report {str(target)!r} cannot be written: {error.strerror}") from None
    say(f"wrote {target}")
