"""`agent fetch`: downloads bundles from the hub or another web server."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from agent.commands.options import FOLDER, hub_options
from agent.errors import BadInput
from commandline.config import config_file
from commandline.help import Command, option_group
from commandline.program.streams import print_or_drop

if TYPE_CHECKING:
    from agent.bundles.hub_settings import HubSettings


@click.command(
    cls=Command,
    examples="""
    agent fetch minilm-l6-int8 dev-v1.1.json
    agent fetch http://workstation:8642/minilm-l6-int8
    agent fetch http://workstation:8642/minilm-l6-{fp32,int8} --to /srv/bundles
    """,
)
@click.argument("names", metavar="NAME|URL...", nargs=-1, required=True)
@option_group(
    "Download",
    click.option(
        "--to",
        "folder",
        metavar="DIR",
        type=FOLDER,
        help="Folder that receives the bundles and question files. [default: `bundles` for a URL; for the "
        "hub, `bundles` and `questions` in the state folder]",
    ),
)
@hub_options
@click.pass_context
def fetch(
    context: click.Context,
    /,
    names: tuple[str, ...],
    folder: Path | None,
    device_id: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    state_dir: Path | None,
) -> None:
    """Download and verify bundles, and question files from the hub.

    NAME is a bundle, or a question file that ends in .json, of the hub that this machine has joined. URL is
    the address of a bundle's folder; `collector serve --bundles` serves such folders. The same command
    resumes a download that was interrupted. An older bundle is replaced only after the new one is verified.
    Prints the path of each bundle and file.
    """
    from agent.bundles.fetch import fetch as get
    from agent.bundles.hub import QUESTIONS_SUFFIX, fetch_bundle, fetch_questions, reached
    from agent.outbox.state_folder import default_folder
    from contract.codec import printable

    from_hub = [name for name in names if "/" not in name]
    hub = (
        reached(_hub_settings(context, from_hub[0]), device_id, password_file, ca_file) if from_hub else None
    )
    own = state_dir or default_folder()
    for name in names:
        with progress_bars(sys.stderr) as show:
            if hub is None or name not in from_hub:
                fetched = get(name, folder or Path("bundles"), show)
            elif name.endswith(QUESTIONS_SUFFIX):
                fetched = fetch_questions(hub, name, folder or own / "questions")
            else:
                fetched = fetch_bundle(hub, name, folder or own / "bundles", show)
        shown = printable(str(fetched.folder))
        click.echo(
            f"{shown}: {'fetched and verified' if fetched.new else 'already there and verified'}", err=True
        )
        print_or_drop(shown)


def _hub_settings(context: click.Context, name: str) -> "HubSettings":
    """What this machine knows of its hub.

    Raises:
        BadInput: it has joined none, or the file cannot be read.
    """
    from agent.bundles.hub_settings import HUB_FILE, read_settings
    from contract.codec import printable

    configuration = config_file(context)
    file = None if configuration is None else configuration.parent / HUB_FILE
    if file is None or not file.exists():
        raise BadInput(
            f"'{printable(name)[:200]}' is not a URL, and this machine has joined no hub: write "
            "http://host/NAME, or join a hub with a line of 'collector invite'"
        )
    return read_settings(file)


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
