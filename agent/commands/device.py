"""`agent device`: prints what the agent reports about this machine."""

from pathlib import Path

import click

from agent.commands.options import device_options
from agent.commands.output import print_json
from commandline.help import Command
from commandline.program.messages import say


@click.command(cls=Command)
@device_options
def device(device_id: str | None, hardware_class: str | None, state_dir: Path | None) -> None:
    """Print what the agent reports about this machine, as JSON."""
    from agent.machine.device import inspect_device
    from agent.outbox.state_folder import StateFolder
    from contract.codec import encode

    own_id = StateFolder(state_dir).device_id(device_id, say)
    print_json(encode(inspect_device(own_id, hardware_class)))
