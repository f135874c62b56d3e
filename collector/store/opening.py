"""Opens the database that `--db` names: a file of SQLite, or a database of PostgreSQL."""

from pathlib import Path
from typing import TYPE_CHECKING

from collector.errors import BadInput
from collector.store.database import Store, Where, is_address
from collector.store.sqlite.sqlite_store import SqliteStore
from commandline.program.installation import how_to_add

if TYPE_CHECKING:
    from collector.store.postgres.postgres_store import PostgresStore


def open_store(where: Where, *, create: bool = False) -> Store:
    """Open a database to read and write.

    Args:
        where: what `--db` names.
        create: create the file, or the tables in PostgreSQL, if there are none.

    Raises:
        BadInput: there is no such database, or it cannot be used here.
        NotADatabase: it is something else, or was made by a later distilbench.
        StorageUnavailable: it cannot be opened for writing now.
    """
    if is_address(where):
        return _postgres().open(str(where), create=create)
    return SqliteStore.open(Path(where), create=create)


def open_store_to_read(where: Where) -> Store:
    """Open a database that is never written through this connection.

    Raises:
        BadInput: there is no such database.
        NotADatabase: it is something else, or has another schema than this distilbench.
        StorageUnavailable: it cannot be opened now.
    """
    if is_address(where):
        return _postgres().open_to_read(str(where))
    return SqliteStore.open_to_read(Path(where))


def _postgres() -> "type[PostgresStore]":
    try:
        from collector.store.postgres.postgres_store import PostgresStore
    except ImportError:
        raise BadInput(
            f"a database of PostgreSQL needs the package psycopg; install it with: {how_to_add('postgres')}"
        ) from None
    return PostgresStore
