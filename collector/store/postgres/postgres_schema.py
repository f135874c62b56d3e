"""The schema in PostgreSQL: that of SQLite at one version as the first step, and then step by step."""

from collections.abc import Iterator
from typing import Final

from collector.store.postgres import dialect
from collector.store.sqlite.migrations import schema_at

FIRST_VERSION: Final = 14
"""The version of SQLite's schema that the first step makes; never changed."""
LATER: Final[tuple[tuple[str, ...], ...]] = (
    (),  # findings: PostgreSQL keeps large values beside a table
)
"""The statements of each later step. It does what the step of the same version does in SQLite."""
VERSION: Final = FIRST_VERSION + len(LATER)

_ADDED: Final = (
    """CREATE TABLE schema_version (
    -- One row: which steps this database has had.
    version BIGINT NOT NULL
)""",
    # What SQLite has, as far as the collector uses it: only for texts and for whole numbers.
    """CREATE FUNCTION json_extract(document TEXT, path TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT
PARALLEL SAFE AS $$ SELECT document::json #>> string_to_array(substr(path, 3), '.') $$""",
    """CREATE FUNCTION json_group_text(numbers BIGINT[]) RETURNS TEXT LANGUAGE sql IMMUTABLE
PARALLEL SAFE AS $$ SELECT array_to_json(numbers)::TEXT $$""",
    """CREATE AGGREGATE json_group_array(BIGINT) (
    SFUNC = array_append, STYPE = BIGINT[], FINALFUNC = json_group_text, INITCOND = '{}'
)""",
)


def first_step(*, compression: bool) -> Iterator[str]:
    """Yield the statements that make the first version.

    Args:
        compression: whether the server has LZ4.
    """
    yield from _ADDED
    for name, kind, sql in schema_at(FIRST_VERSION):
        if kind == "table":
            yield dialect.table(name, sql, compression=compression)
        else:
            yield dialect.view(sql)
