"""`agent fetch`: gets bundles from a web server."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from agent.commands.options import FOLDER


@click.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--to", "folder", type=FOLDER, default="bundles", show_default=True, help="Folder of bundles.")
def fetch(urls: tuple[str, ...], folder: Path) -> None:
    """Fetch bundles from a web server, such as http://workstation:8642/minilm-l6-int8.

    A download that broke off is continued; nothing is replaced before all is verified. Prints the folders.
    """
    from agent.bundles.fetch import fetch as get
    from contract.codec import printable

    for url in urls:
        with progress_bars(sys.stderr) as show:
            fetched = get(url, folder, show)
        shown = printable(str(fetched.folder))
        click.echo(
            f"{shown}: {'fetched and verified' if fetched.new else 'there already, verified'}", err=True
        )
        click.echo(shown)


@contextmanager
def progress_bars(stream: TextIO) -> Iterator[Callable[[str, int, int], None]]:
    """Draw a bar for each file while it arrives; nothing if the stream is no terminal.

    Args:
        stream: where to draw.

    Yields:
        Takes a file's name, how many of its bytes are here, and its size.
    """
    with ExitStack() as open_bar:
        name_now, here_before = "", 0
        advance: Callable[[int, int], None]

        def show(name: str, here: int, size: int) -> None:
            nonlocal advance, name_now, here_before
            if not stream.isatty():
                return
            if name != name_now or here < here_before:  # a server without ranges sends a file again
                open_bar.close()
                name_now, here_before = name, 0
                bar: AbstractContextManager[Any] = click.progressbar(
                    length=size,
                    label=name,
                    item_show_func=lambda done: f"{(done or 0) / 1e6:.1f} of {size / 1e6:.1f} MB",
                    file=stream,
                )
                advance = open_bar.enter_context(bar).update
            advance(here - here_before, here)
            here_before = here

        yield show
