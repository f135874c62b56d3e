"""The database schema in words, from the database itself: `docs/schema.md`."""

from collector.store.database import Store

_INTRODUCTION = """# The collector's database

Made from the schema by `collector schema`, and checked by a test: do not edit it here.

SQLite, application id `0x{application_id:x}`, schema version {version}. Tables that hold *raw* facts are
written once and never changed; what is *derived* can be made again from them. Times of day are ISO 8601 in
UTC, durations integer nanoseconds of the device's monotonic clock.

The newest records may still be in `FILE-wal`: copy a database with `sqlite3 FILE ".backup COPY"`, and read
it at any time. To write to it, hold an exclusive `flock` on `FILE-lock`.
"""


def describe(store: Store) -> str:
    """The schema as Markdown, a heading for each table and view with its statement."""
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
