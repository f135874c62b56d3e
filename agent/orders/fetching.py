"""Fetches what an order names from the hub, in a thread, while the connection to the broker is kept."""

import threading
from collections.abc import Callable, Collection
from typing import Final

from agent.bundles.hub import Hub, fetch_bundle, fetch_questions, reached
from agent.errors import AgentError, BadInput, BundleRefused
from agent.orders.settings import OrderSettings
from agent.orders.shelf import Shelf
from contract.bundle import Manifest, bundle_digest
from contract.codec import printable
from contract.orders.order import Order

_POLL_SECONDS: Final = 0.2
_GIVE_UP_SECONDS: Final = 2.0


class _Abandoned(Exception):
    """Nobody waits for the download any more."""


class Fetching:
    """Makes sure that everything that an order names is here and is what it names.

    Args:
        settings: the hub, and how this device logs in there.
        device_id: this device.
        shelf: keeps what is fetched.
        needed: the digests that open orders name, which are not dropped.
    """

    def __init__(
        self, settings: OrderSettings, device_id: str, shelf: Shelf, needed: Collection[str]
    ) -> None:
        self._settings = settings
        self._device_id = device_id
        self._shelf = shelf
        self._needed = needed
        self._doing = ""
        self._abandoned = threading.Event()
        self._error: AgentError | OSError | None = None
        self._hub: Hub | None = None

    def fetch(self, order: Order, between: Callable[[str], None]) -> None:
        """Fetch and verify what is not here yet.

        Args:
            order: names what is needed.
            between: called a few times per second with what is done now; whatever it raises ends the
                download, and the next one continues it.

        Raises:
            NotFetched: the hub cannot be reached, or the download broke off; it may work later.
            BadInput: the hub has no such thing or another version of it, or there is no room.
        """
        thread = threading.Thread(target=self._fetch_all, args=(order,), daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_POLL_SECONDS)
                between(self._doing)
        except BaseException:
            self._abandoned.set()
            thread.join(_GIVE_UP_SECONDS)
            raise
        if isinstance(self._error, OSError):
            raise BadInput(f"cannot keep what the order names: {self._error.strerror}") from None
        if self._error is not None:
            raise self._error

    def _fetch_all(self, order: Order) -> None:
        try:
            for name, sha256 in order.bundles.items():
                self._bundle(name, sha256)
            for name, sha256 in order.questions.items():
                self._questions(name, sha256)
        except (AgentError, OSError) as error:
            self._error = error
        except _Abandoned:
            return

    def _bundle(self, name: str, sha256: str) -> None:
        self._say(f"verifying {name}")
        if self._shelf.has_bundle(sha256):
            return
        place = self._shelf.bundle(sha256)

        def check(manifest: Manifest, data: bytes) -> None:
            if bundle_digest(data) != sha256:
                raise BundleRefused(
                    f"the hub's bundle '{name}' is not the one that was ordered: its manifest had SHA-256 "
                    f"{sha256[:12]}…, and it was built again since"
                )
            size = len(data) + sum(entry.bytes for entry in manifest.files.values())
            self._shelf.make_room(place, size, self._needed)

        fetch_bundle(self._reached(), name, place.parent, self._show(name), check, place.name)
        if not self._shelf.has_bundle(sha256):
            raise BundleRefused(f"the bundle '{name}' does not match its manifest after it was fetched")

    def _questions(self, name: str, sha256: str) -> None:
        self._say(f"verifying {name}")
        if self._shelf.has_questions(sha256):
            return
        self._say(f"fetching {name}")
        place = self._shelf.questions(sha256)

        def check(size: int) -> None:
            self._shelf.make_room(place, size, self._needed)

        fetch_questions(self._reached(), name, place.parent, sha256, check, place.name)

    def _reached(self) -> Hub:
        if self._hub is None:
            settings = self._settings
            self._hub = reached(settings.hub, self._device_id, settings.password_file, settings.ca_file)
        return self._hub

    def _show(self, name: str) -> Callable[[str, int, int], None]:
        def show(file: str, received: int, size: int) -> None:
            self._say(f"fetching {name}: {received / 1e6:.1f} of {size / 1e6:.1f} MB of {printable(file)}")

        return show

    def _say(self, doing: str) -> None:
        if self._abandoned.is_set():
            raise _Abandoned
        self._doing = doing
