"""`agent flush`: delivers the results that wait."""

from pathlib import Path
from typing import Any

import click

from agent.commands.options import DELIVERY, delivery_options, device_options
from commandline.help import Command, option_group
from commandline.program.messages import message_options, say


@click.command(
    cls=Command,
    examples="""
    agent flush --broker mqtt://workstation
    agent flush --to-file results.jsonl
    """,
)
@delivery_options
@option_group(
    DELIVERY,
    click.option(
        "--refused",
        is_flag=True,
        help="Also resend results that a collector has refused; useful after an update of the collector.",
    ),
)
@device_options
@message_options
@click.pass_context
def flush(
    context: click.Context, /, refused: bool, state_dir: Path | None, device_id: str | None, **_: Any
) -> None:
    """Deliver the results that wait in the outbox.

    Exits with status 1 if results remain in the outbox.
    """
    from agent.commands.destination_options import destination_of
    from agent.delivery.flush import deliver_waiting

    deliver_waiting(destination_of(context), state_dir, device_id, say, release_refused=refused)
