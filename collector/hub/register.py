"""Who may join and who has joined: passes and devices, in a small SQLite file of the hub.

A pass is stored as its SHA-256: it has 128 random bits, so its hash cannot be reversed, and needs no salt.
The secret under which a device's orders are sealed is stored as it is, since the collector seals with it.
The command that makes a pass and the hub that accepts it are different processes; SQLite is between them.
"""

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from collector.errors import BadInput, StorageUnavailable
from contract.orders.sealed import new_order_secret

_PASS_BYTES: Final = 16
_BUSY_SECONDS: Final = 10.0
_KEPT_SECONDS: Final = 30 * 86_400
"""Passes that ended are listed this long."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS passes (
    hash TEXT PRIMARY KEY, id TEXT NOT NULL, device TEXT, made_at REAL NOT NULL, expires_at REAL NOT NULL,
    uses INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0, revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS devices (
    device TEXT PRIMARY KEY, joined_at REAL NOT NULL, machine TEXT NOT NULL, python TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS order_secrets (device TEXT PRIMARY KEY, secret TEXT NOT NULL) STRICT;
"""


class Refused(BadInput):
    """A pass does not allow what was asked for; the message is for the person who has the pass."""


class Conflict(Refused):
    """The name of a device is taken."""


class Pass(NamedTuple):
    """A pass without its secret."""

    id: str
    """The start of its hash, by which people name it."""
    device: str | None
    """The only device that it lets in; None for any new one."""
    expires_at: float
    """In seconds since 1970."""
    uses: int
    used: int
    revoked: bool

    @property
    def left(self) -> int:
        """How many more devices it lets in, if it has not expired."""
        return 0 if self.revoked else self.uses - self.used

    def state(self, now: float) -> str:
        """Return in a word whether it is good, and if not, why."""
        if self.revoked:
            return "revoked"
        if self.left <= 0:
            return "used"
        return "expired" if now >= self.expires_at else "valid"


class Member(NamedTuple):
    """A device that has joined."""

    device: str
    joined_at: float
    """In seconds since 1970."""
    machine: str
    python: str


class Register:
    """The passes and devices of a hub.

    Args:
        file: the SQLite file; it is made if it is missing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._open() as conn:
            conn.executescript(_SCHEMA)

    def invite(self, device: str | None, seconds: float, uses: int) -> str:
        """Make a pass; returns it, and keeps only its hash.

        Args:
            device: the only device that it lets in; None for any new one.
            seconds: how long it is valid.
            uses: how many times it lets a device in.

        Raises:
            StorageUnavailable: the file cannot be written.
        """
        secret = secrets.token_urlsafe(_PASS_BYTES)
        digest, now = _hash(secret), time.time()
        with self._writing() as conn:
            conn.execute("DELETE FROM passes WHERE expires_at < ?", (now - _KEPT_SECONDS,))
            conn.execute(
                "INSERT INTO passes (hash, id, device, made_at, expires_at, uses) VALUES (?, ?, ?, ?, ?, ?)",
                (digest, digest[:8], device, now, now + seconds, uses),
            )
        return secret

    def check(self, secret: str) -> Pass:
        """Return a pass that is good now.

        Raises:
            Refused: it is unknown, expired, used up or revoked; the message says which.
            StorageUnavailable: the file cannot be read.
        """
        with self._open() as conn:
            return _good(conn, secret)

    @contextmanager
    def letting_in(self, secret: str, device: str, machine: str, python: str) -> Iterator[str]:
        """Use a pass once for a device; the use is counted if the block ends without an error.

        Yields:
            The device's secret for orders, which is a new one.

        Raises:
            Refused: the pass is not good, or is for another device.
            Conflict: the device has joined before, and the pass is not bound to it.
            StorageUnavailable: the file cannot be written.
        """
        with self._writing() as conn:
            found = _good(conn, secret)
            if found.device is not None and found.device != device:
                raise Refused(f"this pass is for {found.device}, not for {device}: ask for one of its own")
            known = conn.execute("SELECT 1 FROM devices WHERE device = ?", (device,)).fetchone() is not None
            if known and found.device != device:
                raise Conflict(
                    f"a device named {device} has joined already: give this one another host name, or make a "
                    f"pass for it with collector invite --name {device}"
                )
            conn.execute("UPDATE passes SET used = used + 1 WHERE hash = ?", (_hash(secret),))
            conn.execute(
                "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)", (device, time.time(), machine, python)
            )
            order_secret = new_order_secret()
            conn.execute("INSERT OR REPLACE INTO order_secrets VALUES (?, ?)", (device, order_secret))
            yield order_secret

    def remove(self, device: str) -> bool:
        """Forget a device and revoke the passes that are bound to it; returns whether it was known.

        Raises:
            StorageUnavailable: the file cannot be written.
        """
        with self._writing() as conn:
            conn.execute("UPDATE passes SET revoked = 1 WHERE device = ?", (device,))
            conn.execute("DELETE FROM order_secrets WHERE device = ?", (device,))
            return conn.execute("DELETE FROM devices WHERE device = ?", (device,)).rowcount > 0

    def revoke(self, start: str) -> int:
        """Revoke the passes whose id begins so; returns how many.

        Raises:
            StorageUnavailable: the file cannot be written.
        """
        with self._writing() as conn:
            return conn.execute(
                "UPDATE passes SET revoked = 1 WHERE substr(id, 1, ?) = ?", (len(start), start)
            ).rowcount

    def passes(self) -> list[Pass]:
        """Return the passes of the last weeks, the newest first.

        Raises:
            StorageUnavailable: the file cannot be read.
        """
        with self._open() as conn:
            rows = conn.execute(f"SELECT {_COLUMNS} FROM passes ORDER BY made_at DESC").fetchall()  # noqa: S608  # our own words
        return [_pass(row) for row in rows]

    def members(self) -> list[Member]:
        """Return the devices that have joined, by name.

        Raises:
            StorageUnavailable: the file cannot be read.
        """
        with self._open() as conn:
            return [Member(*row) for row in conn.execute("SELECT * FROM devices ORDER BY device")]

    def give_order_secret(self, device: str) -> str:
        """Return the secret under which a device's orders are sealed; makes one if the device has none.

        Raises:
            StorageUnavailable: the file cannot be written.
        """
        with self._writing() as conn:
            conn.execute("INSERT OR IGNORE INTO order_secrets VALUES (?, ?)", (device, new_order_secret()))
            found = conn.execute("SELECT secret FROM order_secrets WHERE device = ?", (device,)).fetchone()
        return str(found[0])

    def order_secrets(self) -> dict[str, str]:
        """Return the secrets for orders by device. A device that joined an older hub has none yet.

        Raises:
            StorageUnavailable: the file cannot be read.
        """
        with self._open() as conn:
            return dict(conn.execute("SELECT device, secret FROM order_secrets"))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._open() as conn:
            conn.execute("BEGIN IMMEDIATE")
            try:
                yield conn
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite itself ends the transaction if the disk is full
                    conn.execute("ROLLBACK")
                raise
            conn.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            conn = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None
        try:
            yield conn
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        finally:
            conn.close()

    def _unusable(self, error: Exception) -> StorageUnavailable:
        return StorageUnavailable(f"the hub's register {str(self._file)!r} cannot be used now: {error}")


_COLUMNS: Final = "id, device, expires_at, uses, used, revoked"


def _good(conn: sqlite3.Connection, secret: str) -> Pass:
    row = conn.execute(f"SELECT {_COLUMNS} FROM passes WHERE hash = ?", (_hash(secret),)).fetchone()  # noqa: S608  # our own words
    if row is None:
        raise UnknownPass("this pass is not known here: ask for a new line (collector invite)")
    found = _pass(row)
    if (state := found.state(time.time())) != "valid":
        said = {"used": "was used already", "expired": "has expired", "revoked": "was revoked"}[state]
        raise Refused(f"this pass {said}: ask for a new line (collector invite)")
    return found


class UnknownPass(Refused):
    """There is no such pass: it may be a guess."""


def _pass(row: tuple[str, str | None, float, int, int, int]) -> Pass:
    return Pass(*row[:5], bool(row[5]))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
