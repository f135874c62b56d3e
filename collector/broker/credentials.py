"""Credentials for a device or for the collector: made once and shown once.

The password is generated here, so it is never typed, never an argument, and strong enough that the few rounds
of Mosquitto's hash do not matter.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collector.errors import BadInput, StorageUnavailable
from commandline.broker_address import check_private
from commandline.disk import lock, replacing
from contract.config import encode_config
from contract.device import checked_device_id
from contract.errors import Malformed

COLLECTOR: Final = "collector"
"""The user name of collectors in `deploy/mosquitto/acl`; no device may have it as its id."""
_PASSWORD_BYTES: Final = 32
_LOCK_SECONDS: Final = 30.0
_ROUNDS: Final = 101  # mosquitto_passwd's own number
_HASH: Final = re.compile(r"\$7\$([1-9][0-9]{0,6})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_NOBODY: Final = f"$7${_ROUNDS}$AAAAAAAAAAAAAAAA${'A' * 86}=="
"""Stands for a user who is not there: an answer takes as long as for one who is."""
_PLAIN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,1024}")


def checked_user(name: str) -> str:
    """Return the name if it is a valid device id, which is also the device's user name.

    Raises:
        BadInput: the name is not valid.
    """
    try:
        return checked_device_id(name)
    except Malformed as error:
        raise BadInput(str(error)) from None


def provision(file: Path, user: str, *, hashed: bool, replace: bool) -> str:
    """Make a password for a user and write it to a file, which is replaced as a whole.

    Args:
        file: `password_file` of Mosquitto, or the credentials of the embedded broker; it need not exist.
        user: a device id, or `COLLECTOR`.
        hashed: store a hash, as Mosquitto does; otherwise plain text, as the embedded broker needs it.
        replace: make a new password for a user that has one; the old password then stops working.

    Returns:
        The password, which is not stored anywhere else.

    Raises:
        BadInput: the user has a password already, or the file cannot be read.
        StorageUnavailable: the file cannot be written.
    """
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        with _locked(file.resolve().parent):
            lines = _lines(file)
            others = [line for line in lines if line.partition(":")[0] != user]
            if len(others) != len(lines) and not replace:
                raise BadInput(
                    f"{user!r} has credentials in {str(file)!r} already: use --replace to make new ones"
                )
            others.append(f"{user}:{_mosquitto_hash(password) if hashed else password}")
            _write_lines(file, others)
    except OSError as error:
        raise StorageUnavailable(f"{str(file)!r} cannot be written: {error.strerror or error}") from None
    return password


def withdraw(file: Path, user: str) -> bool:
    """Remove a user from a file of passwords; returns whether the user was in it.

    Raises:
        BadInput: the file cannot be read.
        StorageUnavailable: the file cannot be written.
    """
    try:
        with _locked(file.resolve().parent):
            lines = _lines(file)
            others = [line for line in lines if line.partition(":")[0] != user]
            if len(others) == len(lines):
                return False
            _write_lines(file, others)
    except OSError as error:
        raise StorageUnavailable(f"{str(file)!r} cannot be written: {error.strerror or error}") from None
    return True


def is_password(file: Path, user: str, password: str) -> bool:
    """Return whether a password is that of a user, by the hash in Mosquitto's `password_file`.

    Raises:
        BadInput: the file cannot be read.
    """
    given = dict(line.split(":", 1) for line in _lines(file) if ":" in line).get(user, _NOBODY)
    found = _HASH.fullmatch(given) or _HASH.fullmatch(_NOBODY)
    assert found is not None
    rounds, salt, digest = int(found[1]), base64.b64decode(found[2]), base64.b64decode(found[3])
    made = hashlib.pbkdf2_hmac("sha512", password.encode(errors="surrogatepass"), salt, rounds)
    return hmac.compare_digest(made, digest)


def _write_lines(file: Path, lines: list[str]) -> None:
    # The broker's user reads the file: it keeps its owner and its group.
    with replacing(file, denied=stat.S_IRWXO) as opened:
        opened.write("".join(f"{line}\n" for line in lines).encode())


def check_new(path: Path) -> None:
    """Check that a file or folder can be created, before an old password is replaced.

    Raises:
        BadInput: the path exists already, or the folder that would contain it does not exist.
    """
    if os.path.lexists(path):
        raise BadInput(f"{str(path)!r} exists already: name a new one")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"the folder of {str(path)!r} does not exist: create it first")


def write_secret(file: Path, password: str) -> None:
    """Write a password to a new file that only its owner may read.

    Raises:
        BadInput: the file exists already or cannot be created.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(f"{password}\n")
    except OSError as error:
        raise BadInput(f"password file {str(file)!r} cannot be created: {error.strerror}") from None


def agent_config(user: str, broker: str, *, ca_file: bool) -> str:
    """Return the text of a device's configuration file; its secrets are files in the same folder."""
    return encode_config({"device-id": user, **_login_keys(user, broker, ca_file)})


def collector_config(broker: str, *, ca_file: bool) -> str:
    """Return the text of a collector's configuration file; its secrets are files in the same folder."""
    return encode_config({**_login_keys(COLLECTOR, broker, ca_file), "db": "results.db"})


def write_folder(folder: Path, user: str, config: str, password: str, ca_file: Path | None) -> None:
    """Write what a device or a collector needs into a new folder: configuration, password, certificates.

    Raises:
        BadInput: the folder exists already or cannot be created, or the certificates cannot be read.
    """
    try:
        folder.mkdir(mode=0o700)
        name = "collector.toml" if user == COLLECTOR else "agent.toml"
        (folder / name).write_text(config)
        if ca_file is not None:
            (folder / "ca.crt").write_bytes(ca_file.read_bytes())
    except OSError as error:
        raise BadInput(f"{str(error.filename)!r} cannot be used: {error.strerror}") from None
    write_secret(folder / "password", password)


def _login_keys(user: str, broker: str, ca_file: bool) -> dict[str, str]:
    scheme, _, host = broker.partition("://")
    keys = {"broker": f"{scheme}://{user}@{host.rpartition('@')[2]}", "password-file": "password"}
    return keys | ({"ca-file": "ca.crt"} if ca_file else {})


def read_credentials(file: Path) -> dict[str, str]:
    """Read the users of the embedded broker and their passwords.

    Raises:
        BadInput: the file cannot be read, others may read it, or a line is not `user:password`.
    """
    check_private(file, "credentials file", BadInput)
    found = {}
    for number, line in enumerate(_lines(file), start=1):
        user, _, password = line.partition(":")
        if not _PLAIN.fullmatch(password) or password.startswith("$7$"):
            # The line is not quoted: it may hold a secret.
            raise BadInput(
                f"line {number} of {str(file)!r} is not user:password in plain text: make it with "
                "collector provision --embedded"
            )
        found[checked_user(user)] = password
    if not found:
        raise BadInput(
            f"credentials file {str(file)!r} has no users: add them with collector provision --embedded"
        )
    return found


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines() if file.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{str(file)!r} cannot be read: {error}") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make other processes wait: each would replace the file by one without the users that the others add."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock(descriptor, f"the folder {str(folder)!r}", _LOCK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _mosquitto_hash(password: str) -> str:
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
