"""`agent flush`: delivers what waits."""

from pathlib import Path
from typing import Any

import click

from agent.commands.options import delivery_options, device_options
from agent.commands.output import say


@click.command()
@delivery_options
@click.option("--refused", is_flag=True, help="Try what was refused as well, after an update.")
@device_options
@click.pass_context
def flush(
    context: click.Context, /, refused: bool, state_dir: Path | None, device_id: str | None, **_: Any
) -> None:
    """Deliver what waits from earlier runs."""
    from agent.commands.destination_options import destination_of
    from agent.delivery.waiting import deliver_waiting

    deliver_waiting(destination_of(context), state_dir, device_id, say, release_refused=refused)
