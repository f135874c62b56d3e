"""What a device needs to take orders: the hub that it has joined, and the secret that it got there."""

from pathlib import Path
from typing import Final, NamedTuple

from agent.bundles.hub_settings import HUB_FILE, HubSettings, read_settings
from agent.errors import BadInput
from commandline.broker_address import check_private
from contract.codec import printable
from contract.errors import Malformed
from contract.orders.sealed import checked_order_secret

ORDER_SECRET_FILE: Final = "order-secret"  # noqa: S105 - a file's name
"""The file beside the configuration that holds the secret under which this device's orders are sealed."""
_MOST_BYTES: Final = 1000


class OrderSettings(NamedTuple):
    """How a device takes orders and fetches what they name."""

    secret: str
    hub: HubSettings
    password_file: Path | None
    ca_file: Path | None
    hardware_class: str | None
    """The class that the user chose; None for the detected one."""
    keep_bytes: int
    """Largest size of the bundles and questions that are kept for orders."""


def read_order_settings(
    folder: Path,
    password_file: Path | None,
    ca_file: Path | None,
    hardware_class: str | None,
    keep_bytes: int,
) -> OrderSettings | None:
    """Read what a device got when it joined its hub.

    Args:
        folder: the folder of its configuration.
        password_file: its password at the hub.
        ca_file: the authority that signs the hub's certificate.
        hardware_class: the class that the user chose.
        keep_bytes: largest size of what is kept for orders.

    Returns:
        None for a device that has joined no hub, or one that gave it no secret.

    Raises:
        BadInput: a file cannot be read, is damaged, or may be read by others.
    """
    file = folder / ORDER_SECRET_FILE
    if not (folder / HUB_FILE).exists() or not file.exists():
        return None
    check_private(file, "secret for orders", BadInput)
    shown = f"'{printable(str(file))}'"
    try:
        with file.open("rb") as opened:
            secret = checked_order_secret(opened.read(_MOST_BYTES).decode("ascii", "replace"))
    except OSError as error:
        raise BadInput(f"cannot read the secret for orders {shown}: {error.strerror}") from None
    except Malformed as error:
        raise BadInput(f"{shown}: {error}: join the hub again with a line of 'collector invite'") from None
    return OrderSettings(
        secret, read_settings(folder / HUB_FILE), password_file, ca_file, hardware_class, keep_bytes
    )
