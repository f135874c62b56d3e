"""`agent serve`: stays connected and waits for work."""

from pathlib import Path
from typing import Any

import click

from agent.commands.options import delivery_options, device_options
from commandline.help import Command
from commandline.program.messages import message_options, say


@click.command(
    cls=Command,
    examples="""
    agent serve
    agent serve --broker mqtts://pi-5@workstation --password-file password
    """,
)
@delivery_options
@device_options
@message_options
@click.pass_context
def serve(context: click.Context, /, state_dir: Path | None, device_id: str | None, **_: Any) -> None:
    """Stay connected, report this device's state and deliver results.

    Runs until Ctrl-C or SIGTERM, usually as a service. While another command such as `agent run` works with
    the same state folder, this one disconnects and waits for its end.
    """
    from agent.commands.destination_options import destination_of
    from agent.delivery.destination import ResultFile
    from agent.serving.serve import serve as stay
    from agent.systemd_notify import Service

    where = destination_of(context)
    if isinstance(where, ResultFile):
        raise click.UsageError("A file needs no connection: name a broker with --broker URL.")
    stay(where.broker, state_dir, device_id, say, Service())
