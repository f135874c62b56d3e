"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FOLDER: Final = click.Path(path_type=Path)
FILE: Final = click.Path(path_type=Path, dir_okay=False)


def all_of(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator; help shows them in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


state_options: Final = all_of(
    click.option(
        "--state-dir",
        type=FOLDER,
        help="Where results wait until they are delivered. [default: $XDG_STATE_HOME/distilbench]",
    )
)

device_options: Final = all_of(
    click.option("--device-id", help="Name of this device. [default: made once from the host's name]"),
    click.option("--hardware-class", help="Results are compared within one. [default: detected]"),
    state_options,
)

threads_option: Final = click.option(
    "--threads",
    type=click.IntRange(min=1, max=1024),
    help="Threads within an operator. [default: the physical cores it may use]",
)

delivery_options: Final = all_of(
    click.option("--broker", metavar="URL", help="mqtt://[user@]host[:port], or mqtts:// for TLS."),
    click.option("--to-file", type=FILE, help="Add the results to this file instead."),
    click.option("--password-file", type=FILE, help="Holds the broker's password; private to its owner."),
    click.option("--ca-file", type=FILE, help="Certificates to trust for mqtts://."),
    click.option("--cert-file", type=FILE, help="This device's own certificate, for a broker that asks."),
    click.option("--key-file", type=FILE, help="Its key; private to its owner."),
    click.option(
        "--flush-seconds",
        type=click.FloatRange(min=0),
        default=60.0,
        show_default=True,
        help="How long to wait at the end until a collector has everything.",
    ),
)

outbox_options: Final = all_of(
    click.option(
        "--publish",
        type=click.Choice(("live", "after")),
        default="live",
        show_default=True,
        help="Send results between questions, or when all runs have ended.",
    ),
    click.option(
        "--outbox-mib",
        type=click.IntRange(min=1, max=65_536),
        default=64,
        show_default=True,
        help="How much may wait for a collector.",
    ),
    click.option(
        "--when-full",
        type=click.Choice(("pause", "drop-oldest")),
        default="pause",
        show_default=True,
        help="What to do when that is reached; what is dropped is counted.",
    ),
)

measuring_options: Final = all_of(
    click.option("--limit", type=click.IntRange(min=1), help="Ask at most this many questions."),
    click.option(
        "--seed",
        type=click.IntRange(min=0, max=2**63 - 1),
        default=0,
        show_default=True,
        help="Chooses the questions under a limit, and their order.",
    ),
    threads_option,
    click.option(
        "--warmup",
        type=click.IntRange(min=0, max=10_000),
        default=10,
        show_default=True,
        help="Questions to answer before any is recorded.",
    ),
)
