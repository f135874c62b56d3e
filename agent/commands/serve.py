"""`agent serve`: stays connected and waits for work."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.commands.options import delivery_options, device_options, order_options
from agent.errors import BadInput
from commandline.config import config_file
from commandline.help import Command
from commandline.program.messages import Problem, message_options, say

if TYPE_CHECKING:
    from agent.orders.settings import OrderSettings


@click.command(
    cls=Command,
    examples="""
    agent serve
    agent serve --broker mqtts://pi-5@workstation --password-file password
    """,
)
@order_options
@delivery_options
@device_options
@message_options
@click.pass_context
def serve(context: click.Context, /, state_dir: Path | None, device_id: str | None, **_: Any) -> None:
    """Stay connected, deliver results and carry out the hub's orders.

    A device that has joined a hub takes orders from it: it fetches what an order names, measures it, and
    delivers the results. Runs until Ctrl-C or SIGTERM, usually as a service. While another command such as
    `agent run` works with the same state folder, this one disconnects and waits for its end.
    """
    from agent.commands.destination_options import destination_of
    from agent.delivery.destination import ResultFile
    from agent.serving.serve import serve as stay
    from agent.systemd_notify import Service

    where = destination_of(context)
    if isinstance(where, ResultFile):
        raise click.UsageError("A file needs no connection: name a broker with --broker URL.")
    stay(where.broker, state_dir, device_id, say, Service(), _order_settings(context))


def _order_settings(context: click.Context) -> "OrderSettings | None":
    """How this device takes orders; None if it takes none."""
    from agent.orders.settings import read_order_settings

    file, given = config_file(context), context.params
    if file is None:
        return None
    try:
        return read_order_settings(
            file.parent,
            given["password_file"],
            given["ca_file"],
            given["hardware_class"],
            given["keep_mib"] * 1_048_576,
        )
    except BadInput as problem:
        say(Problem(f"{problem}; until then, this device takes no orders"))
        return None
