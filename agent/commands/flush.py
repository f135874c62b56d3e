"""`agent flush`: delivers what waits."""

from pathlib import Path
from typing import Any

import click

from agent.commands.options import DELIVERY, delivery_options, device_options
from agent.commands.output import say
from agent.errors import NotDelivered
from commandline.help import Command, option_group


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
        help="Also send again what a collector has refused; useful after an update of the collector.",
    ),
)
@device_options
@click.pass_context
def flush(
    context: click.Context,
    /,
    refused: bool,
    device_id: str | None,
    state_dir: Path | None,
    **delivery_options: Any,
) -> None:
    """Deliver the results that wait in the outbox.

    Exits with status 1 if results remain in the outbox.
    """
    from agent.commands.destination_options import destination_of
    from agent.delivery.destination import ResultFile, delivering, write_waiting
    from agent.outbox.state_folder import opened_state

    where = destination_of(context)
    with opened_state(state_dir, device_id, say) as state:
        if refused:
            state.outbox.release()
        waiting = state.outbox.pending()
        if isinstance(where, ResultFile):
            write_waiting(where.path, state.outbox)
        else:
            with delivering(where, state, say) as delivery:
                delivery.finish()
        state.stop.check()
        left = state.outbox.pending()
    say(f"{waiting - left} results delivered")
    if left:
        raise NotDelivered(f"{left} results stay in the outbox: no collector has taken them yet")
