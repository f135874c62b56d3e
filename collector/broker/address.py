"""Where the broker is and who we are to it: `mqtt://[user@]host[:port]` or `mqtts://…`."""

import stat
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from collector.errors import BadInput

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_MAX_PASSWORD_BYTES: Final = 65_535  # of MQTT's own length field


class Address(NamedTuple):
    """A broker. Its text form shows no password, since it may be logged."""

    host: str
    port: int
    user: str | None = None
    password: bytes | None = None
    ca_file: Path | None = None
    tls: bool = False
    cert_file: Path | None = None
    key_file: Path | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Address({self})"


def parse_address(
    url: str,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> Address:
    """Take a broker's URL apart and read the password that goes with it.

    Args:
        url: the address.
        password_file: of the user in it.
        ca_file: certificates to trust, in place of the system's.
        cert_file: our own certificate, where the broker asks for one.
        key_file: its key.

    Raises:
        BadInput: not such a URL, one that holds a password, a password file that is empty, a secret that
            others may read, or files that do not go together.
    """
    quoted = ascii(url) if "@" not in url else "given"  # what stands before the @ may be a secret
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput(f"broker URL {quoted} is not mqtt://[user@]host[:port]") from None
    if parts.password is not None:
        raise BadInput("the broker URL holds a password, which others can see: use --password-file")
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadInput(f"broker URL {quoted} is not mqtt://[user@]host[:port] or mqtts://[user@]host[:port]")
    tls = parts.scheme == "mqtts"
    if ca_file is not None and not tls:
        raise BadInput(f"--ca-file needs an mqtts:// broker URL, and {quoted} is not one")
    if ca_file is not None and not ca_file.is_file():
        raise BadInput(f"there is no CA file {str(ca_file)!r}")
    if (cert_file is None) != (key_file is None):
        raise BadInput("--cert-file and --key-file go together")
    if cert_file is not None and key_file is not None:
        if not tls:
            raise BadInput(f"--cert-file needs an mqtts:// broker URL, and {quoted} is not one")
        check_private(key_file, "key file")
    user = unquote(parts.username) if parts.username else None
    if password_file is not None and user is None:
        raise BadInput("--password-file needs a user name: mqtt://user@host")
    password = None if password_file is None else _read_password(password_file)
    return Address(
        parts.hostname, port or PORTS[parts.scheme], user, password, ca_file, tls, cert_file, key_file
    )


def check_private(path: Path, what: str) -> None:
    """Return if nobody but its owner may read a file.

    Raises:
        BadInput: others may, or there is none.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise BadInput(f"{what} {str(path)!r} cannot be read: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"{what} {str(path)!r} may be read by others: chmod 600 it")


def _read_password(path: Path) -> bytes:
    check_private(path, "password file")
    try:
        with path.open("rb") as file:
            password = file.read(_MAX_PASSWORD_BYTES + 3).rstrip(b"\r\n")
    except OSError as error:
        raise BadInput(f"password file {str(path)!r} cannot be read: {error.strerror}") from None
    if not 0 < len(password) <= _MAX_PASSWORD_BYTES:
        raise BadInput(
            f"password file {str(path)!r} holds no password of at most {_MAX_PASSWORD_BYTES} bytes"
        )
    return password
