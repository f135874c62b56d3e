"""The commands about the collector's configuration file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from collector.commands.options import optional, serving_options
from collector.errors import BadInput
from commandline.config import ConfigFile
from commandline.configuring import config_commands
from commandline.options import all_of
from commandline.program.messages import message_options
from contract.config import Value

CONFIG: Final = ConfigFile("collector", all_of(optional(serving_options), message_options), BadInput)


def _check(values: Mapping[str, Value]) -> None:
    from collector.broker.credentials import read_credentials
    from commandline.broker_address import parse_broker

    paths = {key: Path(str(values[key])) for key in values if key.endswith("-file")}
    if "broker" in values and values.get("embedded-broker"):
        raise BadInput("broker and embedded-broker cannot be set together: leave one out")
    if "broker" in values:
        parse_broker(
            str(values["broker"]),
            *(paths.get(f"{name}-file") for name in ("password", "ca", "cert", "key")),
            refusal=BadInput,
        )
    if "credentials" in values:
        read_credentials(Path(str(values["credentials"])))


config = config_commands("collector", "collector serve", CONFIG, _check)
