"""The command that gets bundles from a web server."""

import sys
from pathlib import Path

import click

from agent.commands.options import FOLDER
from commandline.streams import print_or_drop


@click.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--to", "folder", type=FOLDER, default="bundles", show_default=True, help="Folder of bundles.")
def fetch(urls: tuple[str, ...], folder: Path) -> None:
    """Fetch bundles from a web server, such as http://workstation:8642/minilm-l6-int8.

    A download that broke off goes on where it was; nothing is replaced before all is verified. Prints the
    folders.
    """
    from agent.bundles.fetch import fetch as get
    from contract.codec import printable

    def tell(name: str, here: int, size: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if here == size else ""
            click.echo(f"\r{name}: {here / 1e6:.1f} of {size / 1e6:.1f} MB{end}", nl=False, err=True)

    for url in urls:
        fetched = get(url, folder, tell)
        shown = printable(str(fetched.folder))
        click.echo(
            f"{shown}: {'fetched and verified' if fetched.new else 'there already, verified'}", err=True
        )
        print_or_drop(shown)
