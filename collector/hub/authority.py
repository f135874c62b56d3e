"""The hub's certificate authority, and the certificate that its broker and its HTTPS service share.

Certificates are valid from 2020 on, since a board without a clock of its own may believe that it is years
ago. A renewal keeps the key: boards, and the lines that invite them, pin the key and not the certificate.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.errors import BadInput
from collector.hub.addresses import is_ip
from collector.hub.folder import HubFolder

VALID_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
CA_LIFE: Final = timedelta(days=30 * 365)
LIFE: Final = timedelta(days=5 * 365)
RENEW_BEFORE: Final = timedelta(days=365)
"""A certificate is renewed when it has less than this left."""

_USES: Final = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def certify(folder: HubFolder, names: Iterable[str], now: datetime | None = None) -> bool:
    """Make or renew the authority and the certificate of a hub; do nothing if both are good.

    Args:
        folder: the hub's folder.
        names: the addresses and names that the certificate must be valid for.
        now: the time; that of the clock if None.

    Returns:
        Whether the certificate is new.

    Raises:
        BadInput: a key or a certificate in the folder cannot be read.
        StorageUnavailable: the folder cannot be written.
    """
    now = now or datetime.now(UTC)
    ca_key = _key(folder, folder.ca_key)
    authority = _certificate(folder.ca_cert)
    if authority is None or authority.not_valid_after_utc - now < LIFE + RENEW_BEFORE:
        subject = _name("distilbench hub CA") if authority is None else authority.subject
        authority = _authority(ca_key, subject, now)
        folder.write(folder.ca_cert, authority.public_bytes(serialization.Encoding.PEM))
    key = _key(folder, folder.key)
    current = _certificate(folder.cert)
    wanted = list(dict.fromkeys(names))
    if (
        current is not None
        and current.not_valid_after_utc - now >= RENEW_BEFORE
        and set(wanted) <= _names_of(current)
        and current.issuer == authority.subject
    ):
        return False
    new = _server(key, wanted, authority, ca_key, now)
    folder.write(folder.cert, new.public_bytes(serialization.Encoding.PEM))
    return True


def pin(folder: HubFolder) -> str:
    """Return the pin of the hub's key, as curl and wget take it: `sha256//…` (RFC 7469, 2.4).

    Raises:
        BadInput: the key cannot be read.
    """
    public = _key(folder, folder.key).public_key()
    info = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256//{base64.b64encode(hashlib.sha256(info).digest()).decode()}"


def certificate_end(folder: HubFolder) -> datetime:
    """Return until when the hub's certificate is valid.

    Raises:
        BadInput: it cannot be read.
    """
    certificate = _certificate(folder.cert)
    if certificate is None:
        raise BadInput(f"the hub's certificate {str(folder.cert)!r} is missing: start the hub again")
    return certificate.not_valid_after_utc


def _key(folder: HubFolder, file: Path) -> ec.EllipticCurvePrivateKey:
    """Read a private key; make it if the file is missing."""
    try:
        if file.exists():
            key = serialization.load_pem_private_key(file.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise BadInput(f"the key {str(file)!r} is not one that a hub made")
            return key
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"the key {str(file)!r} cannot be read: {error}") from None
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.write(file, pem)
    return key


def _certificate(file: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes()) if file.exists() else None
    except (OSError, ValueError) as error:
        raise BadInput(f"the certificate {str(file)!r} cannot be read: {error}") from None


def _authority(key: ec.EllipticCurvePrivateKey, subject: x509.Name, now: datetime) -> x509.Certificate:
    return (
        _builder(key, subject, subject, now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    names: list[str],
    authority: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    shown = [x509.IPAddress(ip_address(name)) if is_ip(name) else x509.DNSName(name) for name in names]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(key, _name("distilbench hub"), authority.subject, now + LIFE)
        .add_extension(x509.SubjectAlternativeName(shown), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    key: ec.EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(max(ends, VALID_FROM + LIFE))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use in allowed for use in _USES})


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _names_of(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    }
