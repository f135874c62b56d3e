"""The collector's configuration file: where it is, and which options it may set."""

from pathlib import Path
from typing import Final

from collector.commands.options import optional, serving_options
from collector.errors import BadInput
from commandline.config import ConfigFile

CONFIG: Final = ConfigFile(Path("/etc/distilbench/collector.toml"), optional(serving_options), BadInput)
