"""The line that lets a board join, for curl and for wget, and as a QR code."""

import io
import re
from typing import Final

from collector.errors import BadInput
from collector.hub.folder import HubSettings

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
MOST_SECONDS: Final = 90 * 86_400


def seconds_of(span: str) -> int:
    """Return the seconds of a span of time such as `30m`.

    Raises:
        BadInput: it is not one, or longer than 90 days.
    """
    found = _SPAN.fullmatch(span)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= MOST_SECONDS:
        raise BadInput(
            f"{span[:40]!r} is not a time that a pass can be valid: write 30m, 12h or 7d, up to 90d"
        )
    return seconds


def url_of(settings: HubSettings, secret: str) -> str:
    """Return the address that a pass opens."""
    return f"{settings.url}/join/{secret}"


def curl_line(settings: HubSettings, pin: str, secret: str) -> str:
    """Return the line for a board that has curl: it runs nothing if another key answers."""
    # Without -k curl also wants a certificate that the board trusts; the pin is what is checked.
    return f"curl -sSk --pinnedpubkey {_quoted(pin)} {url_of(settings, secret)} | sudo sh"


def wget_line(settings: HubSettings, pin: str, secret: str) -> str:
    """Return the line for a board that has wget."""
    options = f"-qO- --no-check-certificate --pinnedpubkey={_quoted(pin)}"
    return f"wget {options} {url_of(settings, secret)} | sudo sh"


def qr_text(line: str) -> str | None:
    """Return a QR code of a line, for a terminal; None if the package segno is not installed."""
    try:
        import segno
    except ModuleNotFoundError:
        return None
    into = io.StringIO()
    segno.make(line, error="l", micro=False).terminal(out=into, compact=True, border=2)
    return into.getvalue()


def _quoted(pin: str) -> str:
    """Quote a pin for a shell; it holds base64 only."""
    return f"'{pin}'"
