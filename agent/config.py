"""The agent's configuration file: where it is, and which options it may set."""

from pathlib import Path
from typing import Final

from agent.errors import BadInput
from agent.options import delivery_options, device_options, measuring_options, outbox_options
from commandline.config import ConfigFile
from commandline.options import all_of

CONFIG: Final = ConfigFile(
    Path("/etc/distilbench/agent.toml"),
    all_of(delivery_options, outbox_options, measuring_options, device_options),
    BadInput,
)
