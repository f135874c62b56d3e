"""The command that gets bundles from a web server."""

import sys
from pathlib import Path

import click

from agent.commands.options import FOLDER
from commandline.help import Command


@click.command(
    cls=Command,
    examples="""
    agent fetch http://workstation:8642/minilm-l6-int8
    agent fetch http://workstation:8642/minilm-l6-{fp32,int8} --to /srv/bundles
    """,
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=FOLDER,
    default="bundles",
    show_default=True,
    help="Folder that receives the bundles.",
)
def fetch(urls: tuple[str, ...], folder: Path) -> None:
    """Download bundles from a web server and verify them.

    URL is the address of a bundle's folder; `collector serve --bundles` serves such folders. The same command
    resumes a download that was interrupted. An older bundle is replaced only after the new one is verified.
    Prints the folder of each bundle.
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
        click.echo(shown)
