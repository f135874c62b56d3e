"""Explains a failed TLS connection by the alert of the broker and the dates of this device's certificate."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from commandline.certificate import dates_of
from contract.codec import printable
from contract.errors import Malformed

_ALERT: Final = re.compile(r"alert ([a-z ]*(?:certificate|unknown ca)[a-z ]*)")
"""An alert about certificates (RFC 8446, 6.2) in OpenSSL's words, such as `certificate expired`."""


def refusal(error: str, own: Path | None) -> str | None:
    """How the broker refuses this device's certificate, as the end of a sentence that begins with its name.

    Args:
        error: OpenSSL's message.
        own: this device's certificate; None if it has none.

    Returns:
        None if the message is not about certificates.
    """
    alert = _ALERT.search(error)
    if alert is None:
        return None
    if own is None:
        return "requires a certificate from this device: name it with --cert-file and --key-file"
    refused = f"refuses the certificate '{printable(str(own))}' ({alert[1].strip()})"
    if "unknown" in alert[1]:
        return f"{refused}: it does not know the authority that signed it"
    dates = out_of_date(own)
    return f"{refused}: {dates}" if dates else refused


def out_of_date(own: Path) -> str | None:
    """Why a certificate is not valid now; None if it is, or if its dates cannot be read."""
    try:
        dates = dates_of(own)
    except (OSError, ValueError, Malformed):
        return None
    now = datetime.now(UTC)
    if now > dates.ends:
        return f"it expired on {dates.ends:%Y-%m-%d}; renew it"
    if now < dates.begins:
        return f"it is valid from {dates.begins:%Y-%m-%d}, but this device's clock is at {now:%Y-%m-%d}"
    return None
