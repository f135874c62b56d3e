"""Commands that look into the database, and the one that describes it."""

from pathlib import Path

import click

from collector.commands.options import database


@click.command()
@database
def runs(database: Path) -> None:
    """List the runs."""
    from collector import listing
    from collector.store import Store

    with Store.open_to_read(database) as store:
        click.echo(listing.runs(store), nl=False)


@click.command()
def schema() -> None:
    """Describe the database as Markdown."""
    import tempfile

    from collector.schema import describe
    from collector.store import Store

    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder, "new.db"), create=True) as store:
        click.echo(describe(store), nl=False)
