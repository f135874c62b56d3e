"""The commands about the agent's configuration file."""

from collections.abc import Mapping
from pathlib import Path

from agent.config import CONFIG
from agent.errors import BadInput
from commandline.configuring import config_commands
from contract.config import Value


def _check(values: Mapping[str, Value]) -> None:
    from agent.delivery import destination
    from agent.state import checked_device_id

    paths = {
        key: Path(str(values[key])) if key in values else None for key in CONFIG.settings if "-file" in key
    }
    if "device-id" in values:
        checked_device_id(str(values["device-id"]))
    if "broker" in values and "to-file" in values:
        raise BadInput("broker and to-file exclude each other")
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
