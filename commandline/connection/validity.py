"""Reads from a certificate's bytes when it is valid.

The standard library reports this only for a peer's certificate, not for a certificate in a file. X.509 is DER
(ITU-T X.690), and reading a date from it needs only tags and lengths (RFC 5280, 4.1.2.5).
"""

import re
import ssl
from datetime import UTC, datetime
from typing import Final, NamedTuple

from contract.errors import Malformed

MAX_CERTIFICATE_BYTES: Final = 1_048_576
_PEM: Final = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_VERSION: Final = 0xA0
_SHORT: Final = 0x80


class Validity(NamedTuple):
    """The first and the last moment at which a certificate is valid."""

    begins: datetime
    ends: datetime


def validity(pem: str) -> Validity:
    """Read when the first certificate in a PEM file is valid.

    Raises:
        Malformed: the file has no certificate, or one that cannot be read.
    """
    found = _PEM.search(pem)
    if found is None:
        raise Malformed("there is no certificate in the file")
    try:
        _, certificate, _ = _value(ssl.PEM_cert_to_DER_cert(found[0]))
        _, to_be_signed, _ = _value(certificate)
        tag, _, rest = _value(to_be_signed)
        if tag == _VERSION:
            _, _, rest = _value(rest)  # the serial number
        for _ in ("algorithm", "issuer"):
            _, _, rest = _value(rest)
        _, dates, _ = _value(rest)
        tag, begins, dates = _value(dates)
        end_tag, ends, _ = _value(dates)
        return Validity(_time(tag, begins), _time(end_tag, ends))
    except (ValueError, IndexError):
        raise Malformed("the certificate in the file cannot be read") from None


def _value(der: bytes) -> tuple[int, bytes, bytes]:
    """Return the first value's tag and content, and the bytes after it."""
    length, at = der[1], 2
    if length >= _SHORT:
        at += length - _SHORT
        length = int.from_bytes(der[2:at], "big")
    if at + length > len(der):
        raise ValueError
    return der[0], der[at : at + length], der[at + length :]


def _time(tag: int, text: bytes) -> datetime:
    if tag == _UTC_TIME:  # two digits of the year: 50 and above are 19xx
        text = (b"19" if text[:2] >= b"50" else b"20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError
    return datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
