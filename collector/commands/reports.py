"""Commands that compare: the report."""

import sys
from pathlib import Path

import click

from collector.commands.options import FILE, database, say
from collector.errors import BadInput, StorageUnavailable

FORMATS = ("table", "markdown", "csv", "json", "html")


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--to", "target", type=FILE, help="Write here [standard output].")
@database
def report(database: Path, form: str, target: Path | None) -> None:
    """Compare models: answers, time, memory and size on each hardware class."""
    from collector.compare import compare
    from collector.report.render import render
    from collector.scoring import score_answers
    from collector.store import Store

    try:
        with Store.open(database) as store:
            score_answers(store)
    except StorageUnavailable:
        pass  # read-only: the report says which answers are not scored
    with Store.open_to_read(database) as store:
        text = render(compare(store), form, terminal=target is None and sys.stdout.isatty())
    if target is None:
        click.echo(text, nl=False)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"report {str(target)!r} cannot be written: {error.strerror}") from None
    say(f"wrote {target}")
