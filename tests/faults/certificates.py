"""A certificate authority for tests, made with the openssl command."""

import subprocess
from pathlib import Path
from typing import NamedTuple

_VALID_DAYS = 2


class Certificate(NamedTuple):
    """A certificate and its private key, both PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for the loopback address and for names.

    Args:
        folder: takes the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = self._files("authority")
        openssl(
            *("req", "-x509", *_new_key(self.root), "-subj", "/CN=Test authority"),
            *("-days", str(_VALID_DAYS), "-out", self.root.certificate),
        )

    def sign(self, name: str, *, expired: bool = False, days: int = _VALID_DAYS) -> Certificate:
        """A certificate whose common name is `name`; one that is `expired` ended yesterday."""
        signed = self._files(name)
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text("subjectAltName = IP:127.0.0.1\n")
        openssl("req", *_new_key(signed), "-subj", f"/CN={name}", "-out", request)
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.root.certificate, "-CAkey", self.root.key),
            *("-CAcreateserial", "-extfile", extensions, "-days", str(-1 if expired else days)),
            *("-out", signed.certificate),
        )
        return signed

    def _files(self, name: str) -> Certificate:
        return Certificate(self._folder / f"{name}.crt", self._folder / f"{name}.key")


def _new_key(owner: Certificate) -> tuple[str | Path, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", owner.key)


def openssl(*arguments: str | Path) -> None:
    """Run it; what it says shows only if it fails."""
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
