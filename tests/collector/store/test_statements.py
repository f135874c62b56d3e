"""Every SQL statement of the collector, prepared by both kinds of database."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from collector.store.database import Store
from collector.store.opening import open_store
from collector.store.postgres.dialect import numbered
from collector.store.sqlite.sqlite_store import SqliteStore

COLLECTOR: Final = Path(__file__).parents[3] / "collector"
OF_ONE_KIND: Final = {
    *("doctor/machine.py", "doctor/postgres.py", "hub/register.py", "store/schema.py", "orders/name_list.py")
}
"""These modules speak to one kind of database only."""
STATEMENT: Final = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s")
PIECES: Final = {
    "table": "samples",
    "order": " ORDER BY seq",
    "fields": "1",
    "condition": "order_id IN (?, ?)",
    "columns": "sha256, reason",
    "theirs": "1",
    "column": "question_id",
    "which": "error IS NULL",
    "seq": "seq",
    "places": "(?, ?, ?)",
    # The driver says that these are numbers.
    "', '.join(['(?, ?, ?)'] * len(some))": "(CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT))",
    "'0' if table == 'runs' else 'seq'": "seq",
}
"""What stands for the names in an f-string."""


def statements() -> Iterator[tuple[str, str]]:
    """Yield each statement with its place."""
    for path in sorted(COLLECTOR.rglob("*.py")):
        name = path.relative_to(COLLECTOR).as_posix()
        if name in OF_ONE_KIND or name.startswith(("store/sqlite/", "store/postgres/")):
            continue
        source = path.read_text()
        if STATEMENT.search(source) is None:
            continue
        module = importlib.import_module(f"collector.{name.removesuffix('.py').replace('/', '.')}")
        for found in _in(ast.parse(source), vars(module)):
            yield f"{name}: {' '.join(found.split())[:60]}", found


def _in(tree: ast.AST, names: dict[str, Any]) -> Iterator[str]:
    inner = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = _joined(node, names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
            text = node.value
        else:
            continue
        if STATEMENT.match(text):
            yield text.replace("{}", "?")  # for a list of values


def _joined(node: ast.JoinedStr, names: dict[str, Any]) -> str:
    parts = []
    text = ast.unparse(node)
    order = {"order": "ms" if " AS ms" in text else "question_id"} if "ORDER BY {" in text else {}
    pieces = PIECES | order | ({"table": "questions"} if "question_set =" in ast.unparse(node) else {})
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            expression = ast.unparse(part.value)
            value = names.get(expression)
            if not isinstance(value, str | int):
                value = pieces.get(expression, f"<{expression}>")
            parts.append(str(value))
    return "".join(parts)


EVERY: Final = sorted(set(statements()))


def test_the_statements_were_found() -> None:
    assert len(EVERY) > 100


@pytest.mark.parametrize("sql", [pytest.param(sql, id=place) for place, sql in EVERY])
def test_sqlite_prepares_it(empty: Store, sql: str) -> None:
    assert isinstance(empty, SqliteStore)
    highest = max(map(int, re.findall(r"\$(\d+)", numbered(sql))), default=0)
    empty._db.conn.execute(f"EXPLAIN {sql}", [None] * highest)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("statements") / "results.db", create=True) as store:
        yield store


@pytest.mark.postgres
def test_postgres_prepares_every_one(shared_database: str) -> None:
    problems = []
    with psycopg.connect(shared_database, autocommit=True) as conn:
        for number, (place, sql) in enumerate(EVERY):
            try:
                conn.execute(f"PREPARE s{number} AS {numbered(sql)}".encode())
            except psycopg.Error as error:
                problems.append(f"{place}: {error}")
    assert not problems
