"""When the certificate of a broker or a client expires, and what a `doctor` command reports about it."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from commandline.connection.validity import MAX_CERTIFICATE_BYTES, Validity, validity
from commandline.counted import counted
from commandline.finding import Finding
from contract.codec import printable
from contract.errors import Malformed

SOON_DAYS: Final = 30
"""A certificate that expires in fewer days than this should be renewed now."""


def dates_of(file: Path) -> Validity:
    """Read from a certificate file when the certificate is valid.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not text.
        Malformed: the file has no certificate.
    """
    with file.open() as opened:
        return validity(opened.read(MAX_CERTIFICATE_BYTES))


def peer_ends(wire: object) -> datetime | None:
    """Return when the certificate of the other side of a connection expires.

    Args:
        wire: the socket of the connection.

    Returns:
        None if the connection has no TLS, or if the certificate does not expire.
    """
    ends = (wire.getpeercert() or {}).get("notAfter") if isinstance(wire, ssl.SSLSocket) else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) if ends else None


def end_of_file(about: str, whose: str, file: Path) -> Finding:
    """Check when the certificate in a file expires; see `end_of`."""
    try:
        return end_of(about, whose, dates_of(file).ends)
    except (OSError, ValueError, Malformed) as error:
        reason = getattr(error, "strerror", None) or error
        what = f"{whose} '{printable(str(file))}' cannot be read: {reason}"
        return Finding(about, "fail", what, "check --cert-file")


def end_of(about: str, whose: str, ends: datetime) -> Finding:
    """Check when a certificate expires.

    Args:
        about: the finding's title.
        whose: the certificate's name in the finding, such as "the broker's certificate".
        ends: the last moment at which it is valid.
    """
    days = (ends - datetime.now(UTC)).days
    if days < 0:
        return Finding(about, "fail", f"{whose} expired on {ends:%Y-%m-%d}", "renew it")
    if days < SOON_DAYS:
        what = f"{whose} expires on {ends:%Y-%m-%d}, in {counted(days, 'day')}"
        return Finding(about, "warn", what, "renew it")
    return Finding(about, "ok", f"{whose} expires on {ends:%Y-%m-%d}")
