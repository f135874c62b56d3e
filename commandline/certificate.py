"""When a certificate ends: that of a broker, that of a client, and what a doctor finds about it."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from commandline.finding import Finding
from contract.certificate import MAX_CERTIFICATE_BYTES, Validity, validity
from contract.codec import printable
from contract.errors import Malformed

SOON_DAYS: Final = 30
"""A certificate that ends sooner than this should be renewed now."""


def dates_of(file: Path) -> Validity:
    """When the certificate in a file begins and ends.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not text.
        Malformed: there is no certificate in it.
    """
    with file.open() as opened:
        return validity(opened.read(MAX_CERTIFICATE_BYTES))


def peer_ends(wire: object) -> datetime | None:
    """When the other side's certificate ends.

    Args:
        wire: the socket of a connection.

    Returns:
        None if the connection has no TLS, or the certificate no end.
    """
    ends = (wire.getpeercert() or {}).get("notAfter") if isinstance(wire, ssl.SSLSocket) else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) if ends else None


def end_of_file(about: str, whose: str, file: Path) -> Finding:
    """What a doctor finds about the end of the certificate in a file; see `end_of`."""
    try:
        return end_of(about, whose, dates_of(file).ends)
    except (OSError, ValueError, Malformed) as error:
        reason = getattr(error, "strerror", None) or error
        what = f"{whose} '{printable(str(file))}' cannot be read: {reason}"
        return Finding(about, "fail", what, "check --cert-file")


def end_of(about: str, whose: str, ends: datetime) -> Finding:
    """What a doctor finds about the end of a certificate.

    Args:
        about: the finding's title.
        whose: such as "the broker's certificate".
        ends: its last moment.
    """
    days = (ends - datetime.now(UTC)).days
    if days < 0:
        return Finding(about, "fail", f"{whose} ended on {ends:%Y-%m-%d}", "renew it")
    if days < SOON_DAYS:
        return Finding(about, "warn", f"{whose} ends on {ends:%Y-%m-%d}, in {days} days", "renew it")
    return Finding(about, "ok", f"{whose} ends on {ends:%Y-%m-%d}")
