"""The devices that an order is for: those that have joined the hub, chosen by name or by hardware."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from collector.comparison_inputs.machine import Machine, machine_of
from collector.errors import BadInput
from collector.orders.name_list import listed
from collector.orders.order_rows import ListState, away_since
from collector.store.database import Store
from commandline.counted import counted
from contract.codec import printable
from contract.device import Device

_DEVICE: Final = msgspec.json.Decoder(Device)
_LATEST: Final = """
SELECT device_id, device FROM runs JOIN streams USING (stream)
WHERE stream IN (SELECT max(stream) FROM runs JOIN streams USING (stream) GROUP BY device_id)
ORDER BY stream
"""


class Recipient(NamedTuple):
    """A device that has joined."""

    device_id: str
    hardware: Device | None
    """As the latest of its runs describes it; None if it has not sent any."""
    list_state: ListState | None
    """None if its agent was never heard."""

    @property
    def machine(self) -> Machine | None:
        """Its machine type, if that is known."""
        return None if self.hardware is None else machine_of(self.hardware)

    @property
    def away_since(self) -> str | None:
        """Since when it has been away, empty if it was never here; None if it is connected."""
        return away_since(self.list_state)


def recipients(store: Store, joined: Iterable[str], states: Mapping[str, ListState]) -> list[Recipient]:
    """Return the devices that have joined, by name."""
    described = {device_id: _DEVICE.decode(device) for device_id, device in store.tuples(_LATEST)}
    return [Recipient(name, described.get(name), states.get(name)) for name in sorted(joined)]


def chosen(
    every: Collection[Recipient], patterns: Iterable[str], hardware: Iterable[str], *, all_of_them: bool
) -> list[Recipient]:
    """Return the devices that a user names.

    Args:
        every: the devices that have joined.
        patterns: names of devices, in which `*`, `?` and `[…]` stand for others.
        hardware: hardware classes or machine types, as a report names them.
        all_of_them: choose all devices.

    Raises:
        BadInput: one of the values matches no device.
    """
    if not every:
        raise BadInput("no device has joined this hub: collector invite prints a line that lets one join")
    found: dict[str, Recipient] = {each.device_id: each for each in every if all_of_them}
    for pattern in patterns:
        named = [each for each in every if fnmatchcase(each.device_id, pattern)]
        if not named:
            known = listed([each.device_id for each in every])
            raise BadInput(f"no device that has joined is called '{_shown(pattern)}': there is {known}")
        found |= {each.device_id: each for each in named}
    for wanted in hardware:
        of_it = [each for each in every if wanted.casefold() in _hardware_names(each)]
        if not of_it:
            raise BadInput(f"no device that has joined is known to be '{_shown(wanted)}'{_known(every)}")
        found |= {each.device_id: each for each in of_it}
    return [found[name] for name in sorted(found)]


def divided(
    devices: Iterable[Recipient], secrets: Collection[str]
) -> tuple[list[Recipient], list[Recipient]]:
    """Divide devices into those that have a secret for orders, and those that joined before hubs gave any.

    Args:
        devices: devices that have joined.
        secrets: all devices that have a secret.
    """
    able: list[Recipient] = []
    unable: list[Recipient] = []
    for each in devices:
        (able if each.device_id in secrets else unable).append(each)
    return able, unable


def unable_sentence(devices: Sequence[Recipient]) -> str:
    """Say that devices take no orders yet, and what to do."""
    names = listed([each.device_id for each in devices])
    if len(devices) == 1:
        return (
            f"{names} joined before hubs gave orders, and gets none: run a line of collector invite --name "
            f"{names} on it"
        )
    return (
        f"{names} joined before hubs gave orders, and get none: run a line of collector invite --name DEVICE "
        "on each"
    )


def _hardware_names(recipient: Recipient) -> set[str]:
    if recipient.hardware is None or recipient.machine is None:
        return set()
    names = (recipient.hardware.hardware_class, *recipient.machine)
    return {name.casefold() for name in names}


def _known(every: Collection[Recipient]) -> str:
    kinds = sorted({each.hardware.hardware_class for each in every if each.hardware is not None})
    unknown = sum(each.hardware is None for each in every)
    text = f": there is {listed(kinds)}" if kinds else ""
    if unknown:
        have = counted(unknown, "device has", "devices have")
        text += f"; {have} not sent a run yet, so name them with --to"
    return text


def _shown(text: str) -> str:
    return printable(text)[:80]
