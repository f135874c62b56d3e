"""The commands about the collector's configuration file."""

from collections.abc import Mapping
from pathlib import Path

from collector.config import CONFIG
from collector.errors import BadInput
from commandline.configuring import config_commands
from contract.config import Value


def _check(values: Mapping[str, Value]) -> None:
    from collector.address import parse_address
    from collector.provision import read_credentials

    paths = {key: Path(str(values[key])) for key in values if key.endswith("-file")}
    if "broker" in values and values.get("embedded-broker"):
        raise BadInput("broker and embedded-broker exclude each other")
    if "broker" in values:
        parse_address(
            str(values["broker"]),
            *(paths.get(f"{name}-file") for name in ("password", "ca", "cert", "key")),
        )
    if "credentials" in values:
        read_credentials(Path(str(values["credentials"])))


config = config_commands("collector", "collector serve", CONFIG, _check)
