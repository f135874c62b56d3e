"""Who is answered: whoever has a pass or a device's password. Guessing is slow.

A device logs in with its id and its password (RFC 7617, Basic). A pass is part of the path below `/join/`,
and elsewhere a bearer token (RFC 6750).
"""

import base64
import binascii
import secrets
import time
from collections import OrderedDict
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from threading import Lock
from typing import Final

from starlette.requests import Request

from collector.broker.credentials import COLLECTOR, is_password
from collector.hub.folder import HubFolder
from collector.hub.register import Refused, Register, UnknownPass

WRONG_AT_ONCE: Final = 10
"""An address may give this many wrong passes or passwords at once, and then one per `SECONDS_PER_WRONG`."""
SECONDS_PER_WRONG: Final = 6.0
_ADDRESSES: Final = 4_096
_NETWORK_BITS: Final = 64  # of an IPv6 address: the rest is the client's own choice


class Denied(Exception):
    """The client is not answered.

    Args:
        status: the HTTP status.
        sentence: why, for a person.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Guesses:
    """The wrong passes and passwords of each address; the oldest addresses are forgotten."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def check(self, host: str) -> None:
        """Check that an address has not given too many wrong passes.

        Raises:
            Denied: it has, and nothing that it gives is looked at.
        """
        with self._lock:
            count = self._count(_network(host), time.monotonic())
        if count > WRONG_AT_ONCE - 1:
            raise Denied(429, "too many wrong passes came from this address: try again in a minute")

    def note(self, host: str) -> None:
        """Count a wrong pass or password of an address."""
        network, now = _network(host), time.monotonic()
        with self._lock:
            self._wrong[network] = (self._count(network, now) + 1.0, now)
            self._wrong.move_to_end(network)
            while len(self._wrong) > _ADDRESSES:
                self._wrong.popitem(last=False)

    def _count(self, network: str, now: float) -> float:
        count, since = self._wrong.get(network, (0.0, now))
        return max(0.0, count - (now - since) / SECONDS_PER_WRONG)


class Access:
    """Decides who is answered.

    Args:
        folder: the hub's folder.
        register: its passes.
    """

    def __init__(self, folder: HubFolder, register: Register) -> None:
        self._folder = folder
        self._register = register
        self._guesses = Guesses()

    def by_pass(self, request: Request, secret: str) -> str | None:
        """Check a pass; returns the device that it is bound to, or None.

        Raises:
            Denied: the pass is not good, or this address guesses.
            StorageUnavailable: the passes cannot be read now.
        """
        host = host_of(request)
        self._guesses.check(host)
        try:
            return self._register.check(secret).device
        except Refused as refusal:
            if isinstance(refusal, UnknownPass):
                self._guesses.note(host)
            raise Denied(403, str(refusal)) from None

    def by_login(self, request: Request) -> str | None:
        """Check that a request comes from a device that has joined, or with a pass.

        Returns:
            The device; None for a pass.

        Raises:
            Denied: it does not.
        """
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() == "bearer" and value:
            self.by_pass(request, value.strip())
            return None
        host = host_of(request)
        self._guesses.check(host)
        user, password = _basic(value) if scheme.casefold() == "basic" else ("", "")
        if user and user != COLLECTOR and is_password(self._folder.passwords, user, password):
            return user
        if value:
            self._guesses.note(host)
        raise Denied(401, "log in with a device's id and password, or with a pass as a bearer token")

    def by_metrics_token(self, request: Request) -> None:
        """Check that a request comes from this machine, or with the token for metrics.

        Raises:
            Denied: it does not.
        """
        host = host_of(request)
        with suppress(ValueError):
            if ip_address(host).is_loopback:
                return
        self._guesses.check(host)
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        with suppress(OSError):
            token = self._folder.metrics_token.read_text().strip()
            if scheme.casefold() == "bearer" and secrets.compare_digest(
                value.strip().encode(errors="replace"), token.encode()
            ):
                return
        if value:
            self._guesses.note(host)
        raise Denied(
            401,
            "metrics are for this machine itself, or need the bearer token in the hub's file metrics-token",
        )


def host_of(request: Request) -> str:
    """Return the address of the client; an IPv4 address as such, over IPv6 too."""
    host = request.client.host if request.client else "0.0.0.0"  # noqa: S104  # nobody's address
    with suppress(ValueError):
        address = ip_address(host)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return host


def _network(host: str) -> str:
    with suppress(ValueError):
        address = ip_address(host)
        if isinstance(address, IPv6Address):
            return f"v6 {int(address) >> (128 - _NETWORK_BITS):x}"
    return host


def _basic(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return user, password
