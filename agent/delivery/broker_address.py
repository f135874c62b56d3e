"""Where a broker is and how to get in. A password comes from a private file, never from the command line."""

import re
import stat
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from agent.errors import BadInput
from contract.codec import printable

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_URL: Final = re.compile(r"[a-z]+://[^/?#\s]+/?")
_MAX_PASSWORD_BYTES: Final = 65_535  # of an MQTT field


class Secret:
    """A text that does not show in messages, logs or tracebacks."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "'***'"

    def reveal(self) -> str:
        """The text itself."""
        return self._text


class Broker(NamedTuple):
    """A broker's address and how to authenticate there."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def shown(self) -> str:
        """The address for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{printable(host)}:{self.port}"


def parse_broker(
    url: str,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> Broker:
    """Read `mqtt://[user@]host[:port]`, or mqtts for TLS.

    Args:
        url: the address.
        password_file: holds the password on its first line; only its owner may read it.
        ca_file: certificates to trust instead of the system's; needs mqtts.
        cert_file: this device's own certificate, where the broker asks for one; needs mqtts.
        key_file: its key; only its owner may read it.

    Raises:
        BadInput: the URL is not one, holds a password (which is not repeated), or a file cannot be used.
    """
    if "@" in url and ":" in url.partition("://")[2].rpartition("@")[0]:
        raise BadInput(
            "the broker's URL holds a password, which other users could read: put it in a file of your own "
            "and name that with --password-file"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in _PORTS or not _URL.fullmatch(url):
        raise BadInput(
            f"'{printable(url)[:200]}' is not a broker: write mqtt://[user@]host[:port], or mqtts:// for TLS"
        )
    tls = parts.scheme == "mqtts"
    if ca_file is not None and not tls:
        raise BadInput(f"--ca-file needs TLS, and '{printable(url)[:200]}' has none: write mqtts://")
    if ca_file is not None and not ca_file.is_file():
        raise BadInput(f"there is no file of certificates at '{printable(str(ca_file))}'")
    if (cert_file is None) != (key_file is None):
        raise BadInput("--cert-file and --key-file go together")
    if cert_file is not None and key_file is not None:
        if not tls:
            raise BadInput(f"--cert-file needs TLS, and '{printable(url)[:200]}' has none: write mqtts://")
        for file in (cert_file, key_file):
            if not file.is_file():
                raise BadInput(f"there is no file '{printable(str(file))}'")
        _check_private(key_file, "key file")
    user = unquote(parts.username) if parts.username else None
    password = _password(password_file) if password_file else None
    if password is not None and user is None:
        raise BadInput(f"--password-file needs a user name: write {parts.scheme}://user@{printable(host)}")
    return Broker(host, port or _PORTS[parts.scheme], tls, user, password, ca_file, cert_file, key_file)


def _check_private(file: Path, what: str) -> None:
    if stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(f"others may read the {what} '{printable(str(file))}': run chmod 600 on it")


def _password(file: Path) -> Secret:
    shown = f"'{printable(str(file))}'"
    try:
        _check_private(file, "password file")
        lines = file.read_bytes()[: _MAX_PASSWORD_BYTES + 1].decode().splitlines()
    except OSError as error:
        raise BadInput(f"cannot read the password file {shown}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"the password file {shown} is not UTF-8 text") from None
    if not lines or not lines[0]:
        raise BadInput(f"the password file {shown} is empty")
    return Secret(lines[0])
