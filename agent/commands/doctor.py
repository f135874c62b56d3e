"""The command that examines the device, its bundles and the way to a collector."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from agent.commands.options import FOLDER, delivery_options, device_options
from commandline.config import outranking


@click.command()
@click.option("--bundle", "bundles", type=FOLDER, multiple=True, help="Check it too; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@delivery_options
@device_options
@click.pass_context
def doctor(
    context: click.Context,
    /,
    bundles: tuple[Path, ...],
    as_json: bool,
    device_id: str | None,
    state_dir: Path | None,
    **delivery_options: Any,
) -> int:
    """Check whether this device is ready to measure, and whether its results would arrive.

    Exits 1 if something has to be fixed first.
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
        yield from examine(folder, bundles, DEFAULT_LIMIT_BYTES)
        if isinstance(where, LiveBroker):
            from agent.doctor.broker import probe

            yield from probe(where.broker, folder.device_id(device_id))

    return print_findings(found(), as_json=as_json)
