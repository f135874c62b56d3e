"""The addresses and names of this machine, by which boards may reach it."""

import fcntl
import re
import socket
import struct
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from collector.errors import BadInput

ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
"""Names of every machine, in every certificate of a hub."""
_SIOCGIFADDR: Final = 0x8915  # of Linux's sockios.h
_ELSEWHERE: Final = ("192.0.2.1", 9)  # an address of documentation (RFC 5737): nothing is sent to it
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I)


def checked_address(text: str) -> str:
    """Return an address or a host name as it is written in a certificate.

    Raises:
        BadInput: it is neither.
    """
    bare = text.removeprefix("[").removesuffix("]")
    if is_ip(bare):
        return str(ip_address(bare))
    if len(text) <= 253 and _HOST.fullmatch(text):
        return text.lower()
    raise BadInput(
        f"{text[:100]!r} is not an address of this machine: write 192.168.1.2 or workstation.local"
    )


def is_ip(text: str) -> bool:
    """Return whether a text is an IPv4 or IPv6 address, and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def own_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine but the loopback, that of the way to other networks first."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with suppress(OSError):  # no network
            probe.connect(_ELSEWHERE)
            found.append(probe.getsockname()[0])
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # an interface without an IPv4 address, or no Linux
                request = struct.pack("256s", name.encode()[:15])
                found.append(socket.inet_ntoa(fcntl.ioctl(probe, _SIOCGIFADDR, request)[20:24]))
    return [address for address in dict.fromkeys(found) if not ip_address(address).is_loopback]


def own_names() -> list[str]:
    """Return the names of this machine: that of multicast DNS first, such as `workstation.local`."""
    name = socket.gethostname().partition(".")[0].lower()
    return [f"{name}.local", name] if _HOST.fullmatch(name) and name != "localhost" else []
