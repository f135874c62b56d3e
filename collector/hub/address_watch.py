"""Notices, while the hub runs, that its machine has another address."""

import time
from collections.abc import Callable
from typing import Final

from collector.hub.addresses import own_addresses
from collector.hub.start_settings import is_here

LOOK_SECONDS: Final = 5.0
LASTING_SECONDS: Final = 30.0
"""A change that lasts less is none: a cable was pulled, or the address was given again."""


class AddressWatch:
    """Watches whether this machine still has the address by which boards reach the hub.

    Args:
        at: that address; a name never changes.
        now: a clock, in seconds.
    """

    def __init__(self, at: str, now: Callable[[], float] = time.monotonic) -> None:
        self._at = at
        self._now = now
        self._looked_at = now()
        self._gone_since: float | None = None

    def changed(self) -> bool:
        """Return whether the address is gone and another one has been there for a while; costs little."""
        now = self._now()
        if now - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = now
        here = own_addresses()
        if not here or is_here(self._at, here):
            self._gone_since = None
            return False
        if self._gone_since is None:
            self._gone_since = now
        return now - self._gone_since >= LASTING_SECONDS
