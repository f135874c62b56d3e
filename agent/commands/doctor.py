"""`agent doctor`: examines the device, its bundles and the connection to a collector."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from agent.commands.options import FOLDER, delivery_options, device_options, json_option
from commandline.config import outranking
from commandline.help import Command, option_group
from commandline.program.messages import say


@click.command(
    cls=Command,
    examples="""
    agent doctor --bundle bundles/minilm-l6-int8
    agent doctor --broker mqtts://pi-5@workstation --password-file password
    """,
)
@option_group(
    "What to check",
    click.option(
        "--bundle",
        "bundles",
        metavar="BUNDLE",
        type=FOLDER,
        multiple=True,
        help="Also check this bundle: files, instruction set, memory. May be given several times.",
    ),
    json_option,
)
@delivery_options
@device_options
@click.pass_context
def doctor(
    context: click.Context,
    /,
    bundles: tuple[Path, ...],
    as_json: bool,
    device_id: str | None,
    hardware_class: str | None,
    state_dir: Path | None,
    **delivery_options: Any,
) -> int:
    """Check whether this device is ready to measure and deliver.

    Examines machine, libraries, clock, disk and outbox; with --broker also the connection to a collector.
    Prints `ok`, `warn` or `fail` for each check, and what to do. Exits with status 1 if a check fails.
    """
    from agent.commands.destination_options import destination_of
    from agent.delivery.destination import LiveBroker
    from agent.doctor.machine import examine
    from agent.outbox.outbox import DEFAULT_LIMIT_BYTES
    from agent.outbox.state_folder import StateFolder
    from commandline.finding import Finding, print_findings

    folder = StateFolder(state_dir)
    where = destination_of(context) if outranking(context, "broker", "to_file") else None

    def found() -> Iterator[Finding]:
        yield from examine(folder, bundles, DEFAULT_LIMIT_BYTES, hardware=hardware_class)
        if isinstance(where, LiveBroker):
            from agent.doctor.broker import probe

            yield from probe(where.broker, folder.device_id(device_id, say))

    return print_findings(found(), as_json=as_json)
