"""Describes the schema as the database has it, in Markdown, for `docs/schema.md`."""

from collector.store.database import Store

_INTRODUCTION = """# The collector's database

Made from the schema by `collector schema`, and checked by a test: do not edit it here.

The database is SQLite, with application id `0x{application_id:x}` and schema version {version}. Rows of *raw*
tables are written once and never changed; *derived* rows can be made again from them. Times of day are
ISO 8601 in UTC; durations are integer nanoseconds of the device's monotonic clock.

A database can be read at any time. The newest records may still be in `FILE-wal`, so copy a database with
`sqlite3 FILE ".backup COPY"`. To write to a database, hold an exclusive `flock` on `FILE-lock`.

A database in PostgreSQL has the same tables, columns and views, a table `schema_version`, and a column
`rowid` in `kept`, `orders` and `rejected`. Its types are BIGINT, DOUBLE PRECISION, TEXT in order of bytes,
and BYTEA, and it has no foreign keys.
"""


def describe(store: Store) -> str:
    """Return the schema as Markdown, with a heading and the SQL statement for each table and view."""
    parts = [
        _INTRODUCTION.format(
            application_id=store.value("PRAGMA application_id"), version=store.value("PRAGMA user_version")
        )
    ]
    for name, kind, sql in store.tuples(
        "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
        "ORDER BY rowid"
    ):
        parts.append(f"## {name}{' (view)' if kind == 'view' else ''}\n\n```sql\n{sql}\n```\n")
    return "\n".join(parts)
