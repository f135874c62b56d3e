"""`agent config`: commands for the agent's configuration file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.commands.options import (
    delivery_options,
    device_options,
    measuring_options,
    order_options,
    outbox_options,
)
from agent.errors import BadInput
from commandline.config import ConfigFile
from commandline.configuring import config_commands
from commandline.options import all_of
from commandline.program.messages import message_options
from contract.config import Value

CONFIG: Final = ConfigFile(
    "agent",
    all_of(
        delivery_options, outbox_options, measuring_options, order_options, device_options, message_options
    ),
    BadInput,
)


def _check(values: Mapping[str, Value]) -> None:
    from agent.delivery.destination import destination
    from agent.outbox.state_folder import checked_device_id

    paths = {
        key: Path(str(values[key])) if key in values else None for key in CONFIG.settings if "-file" in key
    }
    if "device-id" in values:
        checked_device_id(str(values["device-id"]))
    if "broker" in values and "to-file" in values:
        raise BadInput("broker and to-file cannot be set together: leave one out")
    if "broker" in values or "to-file" in values:
        destination(
            str(values["broker"]) if "broker" in values else None,
            paths["to-file"],
            paths["password-file"],
            paths["ca-file"],
            0.0,
            cert_file=paths["cert-file"],
            key_file=paths["key-file"],
        )


config = config_commands("agent", "agent run", CONFIG, _check)
