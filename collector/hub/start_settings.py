"""What the operator chose for a start of the hub, and the address and ports that follow from it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from collector.errors import BadInput
from collector.hub.addresses import ALWAYS, is_ip, own_addresses, own_names
from collector.hub.folder import HubFolder, HubSettings
from commandline.program.messages import Problem


class Options(NamedTuple):
    """What the operator chose for this start; None where the hub keeps what it had."""

    at: str | None = None
    https_port: int | None = None
    mqtt_port: int | None = None
    bundles: Path | None = None
    questions: tuple[Path, ...] = ()
    wheels: Path | None = None
    messages: tuple[str, ...] = ()
    """Options of the collector about its messages."""


def settle_settings(folder: HubFolder, options: Options, say: Callable[[str], None]) -> HubSettings:
    """Decide the address and the ports of this start, and keep them.

    Raises:
        BadInput: this machine has no network address, and none is named.
        StorageUnavailable: the folder cannot be written.
    """
    before = folder.settings()
    here = own_addresses()
    at = options.at or before.at
    if options.at is None and (not at or not is_here(at, here)):
        if not here:
            raise BadInput("this machine has no network address: connect it, or name one with --at")
        at = here[0]
    if before.at and at != before.at:
        say(
            Problem(
                f"the hub's address was {before.at} and is {at} now: boards that joined look for it at "
                f"{' and '.join(before.addresses)}; if they do not find it, give this machine its old "
                "address again (a reservation in the router), or run a line of collector invite --name DEVICE"
                " on each"
            )
        )
    known = (at, *before.addresses, *own_names()[:1])
    settings = HubSettings(
        at,
        options.https_port or before.https_port,
        options.mqtt_port or before.mqtt_port,
        tuple(dict.fromkeys(known)),
    )
    folder.keep(settings)
    return settings


def is_here(at: str, here: list[str]) -> bool:
    """Return whether an address is this machine's; a name is taken to be."""
    return not is_ip(at) or ":" in at or at in here or at in ALWAYS
