"""What this machine knows of the hub that it has joined.

The script that lets a machine join writes `hub.toml` beside the agent's configuration. It names every address
that the hub had at that time, since the first may change.
"""

from pathlib import Path
from typing import Annotated, Final

import msgspec

from agent.errors import BadInput
from contract.codec import printable
from contract.config import MAX_CONFIG_BYTES, decode_toml
from contract.errors import Malformed

HUB_FILE: Final = "hub.toml"

_Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class HubSettings(msgspec.Struct, frozen=True, rename="kebab"):
    """What `hub.toml` says; later versions may add keys."""

    url: str
    addresses: tuple[str, ...]
    https_port: _Port
    mqtt_port: _Port


def read_settings(file: Path) -> HubSettings:
    """Read a file `hub.toml`.

    Raises:
        BadInput: it cannot be read, or is damaged.
    """
    shown = f"'{printable(str(file))}'"
    try:
        with file.open("rb") as opened:
            tables = decode_toml(opened.read(MAX_CONFIG_BYTES + 1), "hub")
        return msgspec.convert(tables, HubSettings)
    except OSError as error:
        raise BadInput(f"cannot read the hub's settings {shown}: {error.strerror}") from None
    except (Malformed, msgspec.ValidationError) as error:
        raise BadInput(f"{shown}: {error}: join the hub again with a line of 'collector invite'") from None
