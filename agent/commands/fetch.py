"""`agent fetch`: downloads bundles from a web server."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from agent.commands.options import FOLDER
from commandline.help import Command
from commandline.program.streams import print_or_drop


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

    for url in urls:
        with progress_bars(sys.stderr) as show:
            fetched = get(url, folder, show)
        shown = printable(str(fetched.folder))
        click.echo(
            f"{shown}: {'fetched and verified' if fetched.new else 'already there and verified'}", err=True
        )
        print_or_drop(shown)


@contextmanager
def progress_bars(stream: TextIO) -> Iterator[Callable[[str, int, int], None]]:
    """Draw a bar for each file while it arrives; nothing if the stream is not a terminal.

    Args:
        stream: where to draw.

    Yields:
        A function that takes a file's name, how many of its bytes have arrived, and its size.
    """
    with ExitStack() as open_bar:
        name_now, received_before = "", 0
        advance: Callable[[int, int], None]

        def show(name: str, received: int, size: int) -> None:
            nonlocal advance, name_now, received_before
            if not stream.isatty():
                return
            if name != name_now or received < received_before:  # without range support it is sent again
                open_bar.close()
                name_now, received_before = name, 0
                bar: AbstractContextManager[Any] = click.progressbar(
                    length=size,
                    label=name,
                    item_show_func=lambda done: f"{(done or 0) / 1e6:.1f} of {size / 1e6:.1f} MB",
                    file=stream,
                )
                advance = open_bar.enter_context(bar).update
            advance(received - received_before, received)
            received_before = received

        yield show
