"""Connections to PostgreSQL, and its errors as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.conninfo import conninfo_to_dict

from collector.errors import BadInput, CollectorError, NotADatabase, StorageUnavailable, TransactionLost
from collector.store.transaction import RowRefused
from contract.codec import printable

Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST_POSTGRES: Final = 14
"""The first version with compression by LZ4."""
_SETTINGS: Final = {
    "application_name": "distilbench collector",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    # A server that is gone without a word is noticed within half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Settings of libpq, unless the URL has others."""
_SECRETS: Final = ("password", "sslpassword")
_SHOWN_CHARACTERS: Final = 300


class _BoolDumper(Dumper):
    """Sends a truth value as a whole number, which is what the columns hold."""

    oid = psycopg.adapters.types["int2"].oid

    def dump(self, obj: bool) -> bytes:
        return b"1" if obj else b"0"


class _BoolLoader(Loader):
    """Loads a truth value as a whole number, as SQLite has it."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


class _NumericLoader(Loader):
    """Loads a sum of whole numbers as a whole number."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


def check_url(url: str) -> None:
    """Check the URL of a database.

    Raises:
        BadInput: it is wrong, or has a password.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise BadInput(f"the address of the database is wrong: {_sentence(error)}") from None
    if any(parts.get(secret) for secret in _SECRETS):
        raise BadInput(
            "the address of the database contains a password, which every user of this machine could read: "
            "put it into ~/.pgpass (or the file that PGPASSFILE names) or into a service file (PGSERVICEFILE)"
        )


def connect(url: str, *, to_write: bool) -> Connection:
    """Connect to the first of the hosts of a URL that can be used.

    Args:
        url: `postgresql://HOST[,HOST…]/NAME`, as libpq understands it.
        to_write: use only a host that can be written, so that a standby that took over is found.

    Raises:
        BadInput: the server is too old, or the database has another encoding than UTF-8.
        StorageUnavailable: no host can be used now.
    """
    given = conninfo_to_dict(url)
    settings: dict[str, Any] = {**_SETTINGS, "target_session_attrs": "read-write" if to_write else "any"}
    settings = {name: value for name, value in settings.items() if name not in given}
    with translated(url):
        conn: Connection = psycopg.connect(
            url, autocommit=True, cursor_factory=psycopg.RawCursor, prepare_threshold=3, **settings
        )
    major = conn.info.server_version // 10_000
    encoding = conn.info.parameter_status("server_encoding")
    if major < OLDEST_POSTGRES or encoding != "UTF8":
        conn.close()
        raise BadInput(
            f"database {url!r} is in PostgreSQL {major} with encoding {encoding}, and distilbench needs "
            f"PostgreSQL {OLDEST_POSTGRES} or later and encoding UTF8"
        )
    conn.adapters.register_dumper(bool, _BoolDumper)
    conn.adapters.register_loader("bool", _BoolLoader)
    conn.adapters.register_loader("numeric", _NumericLoader)
    return conn


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the errors of PostgreSQL into the collector's.

    Raises:
        RowRefused: the database refuses a row.
        TransactionLost: another transaction was in the way.
        StorageUnavailable: the database cannot be used now.
        NotADatabase: it has other tables.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _problem(name, error) from error


def _problem(name: str, error: psycopg.Error) -> CollectorError:
    why = _sentence(error)
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        return RowRefused(why)
    if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
        return TransactionLost(f"database {name!r} cannot be used now: {why}")
    if isinstance(error, psycopg.ProgrammingError) and not isinstance(error, errors.InsufficientPrivilege):
        # All statements are our own, so the tables are not what they were.
        return NotADatabase(f"database {name!r} is damaged, or was updated by a later distilbench: {why}")
    return StorageUnavailable(f"database {name!r} cannot be used now: {why}")


def _sentence(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error) or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[0] if lines else text)[:_SHOWN_CHARACTERS]
