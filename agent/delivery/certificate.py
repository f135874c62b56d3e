"""What a failed TLS connection says of certificates: the other side's alert, and the dates of our own."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from commandline.certificate import dates_of
from contract.codec import printable
from contract.errors import Malformed

_ALERT: Final = re.compile(r"alert ([a-z ]*(?:certificate|unknown ca)[a-z ]*)")
"""In OpenSSL's words: certificate expired, unknown ca, certificate required, and so on (RFC 8446, 6.2)."""


def refusal(error: str, own: Path | None) -> str | None:
    """How the broker refuses this device's certificate, as the rest of a sentence.

    Args:
        error: what OpenSSL says.
        own: this device's certificate; None where it has none.

    Returns:
        None where the broker says nothing about certificates.
    """
    alert = _ALERT.search(error)
    if alert is None:
        return None
    if own is None:
        return "wants a certificate of this device: name it with --cert-file and --key-file"
    said = f"refuses the certificate '{printable(str(own))}' ({alert[1].strip()})"
    if "unknown" in alert[1]:
        return f"{said}: it does not know who signed it"
    dates = out_of_date(own)
    return f"{said}: {dates}" if dates else said


def out_of_date(own: Path) -> str | None:
    """How the dates of a certificate do not fit the time now; None where they do, or cannot be read."""
    try:
        dates = dates_of(own)
    except (OSError, ValueError, Malformed):
        return None
    now = datetime.now(UTC)
    if now > dates.ends:
        return f"it expired on {dates.ends:%Y-%m-%d}; renew it"
    if now < dates.begins:
        return f"it begins on {dates.begins:%Y-%m-%d}, and this device's clock says {now:%Y-%m-%d}"
    return None
