"""Networks of their own for machines, and the wire between a hub and a board."""

import subprocess
from types import TracebackType
from typing import Final, Self

from tests.arm64.programs import check

HUB_ADDRESS: Final = "10.213.77.1"
BOARD_ADDRESS: Final = "10.213.77.2"
WIRE: Final = "eth0"
"""The network interface of a machine that is not this one."""
_BITS: Final = 24
_HERE: Final = "dbhub0"
"""The hub's end of the wire if the hub runs on this machine."""


class Network:
    """A network name space that exists inside the `with` block, with nothing in it but the loopback.

    Args:
        name: what distinguishes it.
    """

    def __init__(self, name: str) -> None:
        self.name = f"distilbench-{name}"[:40]

    def wire_to(self, hub: "Network | None") -> None:
        """Connect this network, of a board, with that of its hub; None for this machine's.

        Raises:
            ProofError: the wire cannot be made.
        """
        remote = ("type", "veth", "peer", "name", WIRE, "netns", self.name)
        if hub is None:
            end = _HERE
            _ip("link", "add", end, *remote)
            _up((), end, HUB_ADDRESS)
        else:
            end = WIRE
            _ip("-n", hub.name, "link", "add", end, *remote)
            hub.plug_in()
        _up(("-n", self.name), WIRE, BOARD_ADDRESS)

    def plug_in(self) -> None:
        """Give the hub of this network its address."""
        _up(("-n", self.name), WIRE, HUB_ADDRESS)

    def pull_out(self) -> None:
        """Take the address from the hub of this network."""
        _ip("-n", self.name, "address", "flush", "dev", WIRE)

    def __enter__(self) -> Self:
        self._remove()
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        # A name space lasts until its last process has ended; its wire must not.
        for command in (("-n", self.name, "link", "delete", WIRE), ("netns", "delete", self.name)):
            subprocess.run(["ip", *command], capture_output=True, check=False)


def _up(where: tuple[str, ...], end: str, address: str) -> None:
    _ip(*where, "address", "add", f"{address}/{_BITS}", "dev", end)
    _ip(*where, "link", "set", end, "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"'ip {' '.join(arguments)}' failed: {done.stderr.strip()}")
