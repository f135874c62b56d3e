"""The address of an MQTT broker and the credentials to log in with.

Secrets come from private files, never from arguments, which other users of a machine can read.
"""

import re
import stat
from pathlib import Path
from typing import Final, NamedTuple, NoReturn
from urllib.parse import unquote, urlsplit

from contract.codec import printable

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_URL: Final = re.compile(r"mqtts?://[^/?#\s]+/?")
_BRACKETS: Final = re.compile(r"\[[0-9a-fA-F:.]*\]")  # around an IPv6 address
_PASSWORD: Final = re.compile(r":(?!//|\d{1,5}(?:[/?#]|$))")
"""A colon that begins no port: in a URL with a typing error, a password may follow."""
_RIGHT: Final = "write mqtt://[user@]host[:port], or mqtts:// for TLS"
_SHOWN_CHARS: Final = 200
_MAX_PASSWORD_BYTES: Final = 65_535
"""The longest field that MQTT can carry."""
_MARK_BYTES: Final = 3  # a byte order mark in UTF-8
_MAX_KEY_BYTES: Final = 65_536
_ENCRYPTED: Final = re.compile(rb"BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED")


class Secret:
    """A text that messages, logs, tracebacks and pickles do not show."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "'***'"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")

    def reveal(self) -> str:
        """The text itself."""
        return self._text


class BrokerAddress(NamedTuple):
    """A broker and the credentials to log in with. Its text form is a URL without them, safe for any log."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    cert_file: Path | None = None
    """The client's own certificate."""
    key_file: Path | None = None
    other_hosts: tuple[str, ...] = ()
    """Other addresses and names of the same broker, for when it is not at `host` any more."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{printable(host)}:{self.port}"

    def __repr__(self) -> str:
        return f"BrokerAddress({self})"


def parse_broker(
    url: str,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
    *,
    refusal: type[Exception] = ValueError,
) -> BrokerAddress:
    """Parse a broker's URL, and check the files that are given with it.

    Args:
        url: `mqtt://[user@]host[:port]`, or mqtts for TLS.
        password_file: its first line is the user's password; only its owner may read it.
        ca_file: certificates to trust instead of the system's; needs mqtts.
        cert_file: the client's own certificate, for brokers that ask for one; needs mqtts and a key.
        key_file: the certificate's key, without a passphrase; only its owner may read it.
        refusal: the type of exception to raise, such as the calling program's error for bad input.

    Raises:
        Exception: of type `refusal`: the URL is not a broker's or holds a password, a file cannot be used, or
            options do not go together. The text before an @ is never quoted, since it may be a secret.
    """
    user_part, at, _ = url.rpartition("@")
    if ":" in unquote(user_part.partition("://")[2]):
        raise refusal(
            "the broker's URL holds a password, which other users can read: put the password into a private "
            "file and name the file with --password-file"
        )
    shown = "the given URL" if at or may_hold_password(url) else f"'{printable(url)[:_SHOWN_CHARS]}'"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    encoded = host is not None and "%" in host and ":" not in host  # only an IPv6 address has a zone after it
    if not host or encoded or port == 0 or not url.isprintable() or not _URL.fullmatch(url):
        over = "; MQTT over WebSocket is not supported" if url.startswith(("ws://", "wss://")) else ""
        raise refusal(f"{shown} is not a broker: {_RIGHT}{over}")
    tls = parts.scheme == "mqtts"
    if (cert_file is None) != (key_file is None):
        raise refusal("--cert-file and --key-file go together")
    for option, file in (("--ca-file", ca_file), ("--cert-file", cert_file)):
        if file is not None and not tls:
            raise refusal(f"{option} needs TLS, and {shown} has none: write mqtts://")
    user = unquote(parts.username) if parts.username else None
    if password_file is not None and user is None:
        raise refusal(f"--password-file needs a user name: write {parts.scheme}://user@{host}")
    if ca_file is not None:
        _start_of(ca_file, "file of certificates", refusal)
    if cert_file is not None and key_file is not None:
        _start_of(cert_file, "certificate", refusal)
        check_key(key_file, refusal)
    password = None if password_file is None else read_password(password_file, refusal)
    address = BrokerAddress(
        host, port or _PORTS[parts.scheme], tls, user, password, ca_file, cert_file, key_file
    )
    if ca_file is not None or cert_file is not None:
        from commandline.connection.tls import tls_context  # which most commands do not need

        try:
            tls_context(address)
        except ValueError as error:
            raise refusal(str(error)) from None
    return address


def may_hold_password(url: str) -> bool:
    """Whether a text that should be a URL may hold a password: such a text is not repeated in messages."""
    user_part, _, host = _BRACKETS.sub("", url).rpartition("@")
    scheme, _, user = user_part.rpartition("://")
    return ":" in unquote(user) or ":" in scheme or _PASSWORD.search(unquote(host)) is not None


def check_private(file: Path, what: str, refusal: type[Exception]) -> None:
    """Check that only the owner of a file may read it.

    Args:
        file: the file with a secret.
        what: the file's name in messages, such as "password file".
        refusal: the type of exception to raise.

    Raises:
        Exception: of type `refusal`: others may read the file, or it does not exist.
    """
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise refusal(f"cannot read the {what} {_quoted(file)}: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise refusal(f"others may read the {what} {_quoted(file)}: run chmod 600 on it")


def check_key(file: Path, refusal: type[Exception]) -> None:
    """Check that a certificate's key is private and needs no passphrase.

    Raises:
        Exception: of type `refusal`: the file cannot be read, others may read it, or the key is encrypted.
    """
    check_private(file, "key file", refusal)
    if _ENCRYPTED.search(_start_of(file, "key file", refusal)):
        raise refusal(
            f"the key file {_quoted(file)} is encrypted, and distilbench does not ask for its passphrase: "
            "write a copy without a passphrase with 'openssl pkey'"
        )


def _start_of(file: Path, what: str, refusal: type[Exception]) -> bytes:
    try:
        if file.exists() and not file.is_file():  # opening a pipe would wait for a program that writes to it
            raise refusal(f"the {what} {_quoted(file)} is not a file")
        with file.open("rb") as opened:
            return opened.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise refusal(f"cannot read the {what} {_quoted(file)}: {error.strerror}") from None


def read_password(file: Path, refusal: type[Exception]) -> Secret:
    """Read a password from the first line of a private file.

    Raises:
        Exception: of type `refusal`: the file cannot be read, others may read it, or it holds no password.
    """
    check_private(file, "password file", refusal)
    try:
        with file.open("rb") as opened:
            data = opened.read(_MARK_BYTES + _MAX_PASSWORD_BYTES + len(b"\r\n"))
    except OSError as error:
        raise refusal(f"cannot read the password file {_quoted(file)}: {error.strerror}") from None
    line = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise refusal(f"the first line of the password file {_quoted(file)} is empty")
    if len(line) > _MAX_PASSWORD_BYTES:
        raise refusal(f"the first line of {_quoted(file)} is longer than {_MAX_PASSWORD_BYTES} bytes")
    try:
        return Secret(line.decode())
    except UnicodeDecodeError:
        raise refusal(f"the password file {_quoted(file)} is not UTF-8 text") from None


def _quoted(file: Path) -> str:
    return f"'{printable(str(file))}'"
