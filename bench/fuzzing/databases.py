"""The reader of other collectors' databases, as `collector merge` uses it."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.fuzzing.mutation import changed_json
from bench.fuzzing.target import Target
from bench.fuzzing.victim import Victim, batches
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.intake.merge import merge
from collector.scoring.predictions import add_predictions
from collector.scoring.question_sets import add_questions
from collector.store.opening import open_store, open_store_to_read
from contract.codec import printable
from tests.collector.delivering import by_topic
from tests.collector.factory import QUESTIONS

_VALUES: Final[tuple[Any, ...]] = (
    *(None, -1, 0, 1, 4096, 2**31, 2**53, 2**63 - 1, -(2**63), 0.5, -0.0, 1e308, float("inf")),
    *("", "a", "\0", "\x1b[2J", "日本", "x" * 70_000, "0" * 32, "{", "[]", "{}", "null", "pi-5", "complete"),
    *(b"", b"\xff", b"\0" * 1000),
)
_STATEMENTS: Final = (
    *("DROP TABLE {table}", "DELETE FROM {table}", "ALTER TABLE {table} RENAME TO other"),
    *("ALTER TABLE {table} ADD COLUMN more", "ALTER TABLE {table} RENAME COLUMN {column} TO other"),
    "CREATE TABLE x AS SELECT * FROM {table}; DROP TABLE {table}; ALTER TABLE x RENAME TO {table}",
    "DROP TABLE {table}; CREATE VIEW {table} AS "
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
    "CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM {table}; END",
    "UPDATE {table} SET {column} = CAST(x'ff' AS TEXT)",
    "UPDATE {table} SET {column} = zeroblob(1000000)",
    "UPDATE {table} SET {column} = -{column}",
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 1",
    "UPDATE sqlite_schema SET sql = replace(sql, 'INTEGER', 'ANY') WHERE name = '{table}'",
    "UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = '{table}'",
    "UPDATE sqlite_schema SET rootpage = 2 WHERE name = '{table}'",
    "UPDATE sqlite_schema SET sql = CAST(x'ff' AS TEXT) WHERE name = '{table}'",
)
_WAL: Final = b"\2\2"


def database(folder: Path) -> Target:
    """The reader of a file in a folder, which a database beside it takes."""
    victim = Victim(folder / "results.db")
    file = folder / "other.db"

    def read(data: bytes) -> bool:
        victim.before()
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        file.write_bytes(data)
        try:
            with open_store_to_read(file) as other:
                done = merge(victim.store, other)
        finally:
            victim.check()
        assert all(printable(sentence) == sentence for sentence in done.refused)
        return not done.refused

    return Target([_good(folder)], read, _mutated, victim.close)


def _good(folder: Path) -> bytes:
    """A database with something in each table that is merged, in small pages, so that most bytes matter."""
    path, copy = folder / "good.db", folder / "small.db"
    questions, predictions = folder / "rivers.json", folder / "predictions.json"
    questions.write_bytes(QUESTIONS)
    predictions.write_text('{"q1": "the North Sea"}')
    with open_store(path, create=True) as store:
        ingest(store, [by_topic(message) for message in batches()])
        too_new = b'{"format_version":99,"type":"batch"}'
        topic = by_topic(batches()[0]).topic
        ingest(store, [Delivery(str(topic), data, topic) for data in (b"nonsense", too_new)])
        add_questions(store, questions)
        add_predictions(store, predictions, "Gizmo", "rivers")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA page_size = 512")
        db.execute("VACUUM INTO ?", (str(copy),))
    return copy.read_bytes()


def _mutated(rng: random.Random, good: Sequence[bytes]) -> bytes:
    (data,) = good
    kind = rng.random()
    if kind < 0.6:
        data = _changed_by_sql(rng, data)
    if kind > 0.5:
        data = _damaged(rng, data)
    return data[:18] + _WAL + data[20:] if rng.random() < 0.3 else data


def _damaged(rng: random.Random, data: bytes) -> bytes:
    """Flip bytes anywhere, in the header or in one page; or copy, clear or cut a page."""
    damaged = bytearray(data)
    page = 512 * rng.randrange(max(len(data) // 512, 1))
    kind = rng.randrange(7)
    if kind < 4:
        low, high = ((0, len(data)), (0, 100), (page, page + 512), (page, page + 16))[kind]
        for _ in range(rng.choice((1, 1, 3, 20))):
            damaged[rng.randrange(low, min(high, len(data)))] = rng.choice(
                (0, 1, 127, 255, rng.randrange(256))
            )
    elif kind == 4:
        damaged[page : page + 512] = bytes(512)
    elif kind == 5:
        other = 512 * rng.randrange(max(len(data) // 512, 1))
        damaged[page : page + 512] = data[other : other + 512]
    else:
        del damaged[rng.randrange(len(data)) :]
    return bytes(damaged)


def _changed_by_sql(rng: random.Random, data: bytes) -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.deserialize(data)
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("PRAGMA writable_schema = ON")
        for _ in range(rng.choice((1, 1, 2, 5))):
            with suppress(sqlite3.Error, UnicodeDecodeError, msgspec.DecodeError):
                _change(rng, db)
        return db.serialize()


def _change(rng: random.Random, db: sqlite3.Connection) -> None:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    table = rng.choice([name for (name,) in db.execute(sql)])
    columns = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
    if not columns:  # of a view that never ends
        return
    column = rng.choice(columns)
    if rng.random() < 0.15:
        db.executescript(rng.choice(_STATEMENTS).format(table=table, column=column))
        return
    values = [value for (value,) in db.execute(f"SELECT {column} FROM {table}")]  # noqa: S608  # ours
    if not values:
        return
    value = new = rng.choice(values)
    if isinstance(value, str) and value.startswith("{") and rng.random() < 0.8:
        new = changed_json(rng, value.encode()).decode("utf-8", "replace")
    else:
        same_kind = [each for each in (*_VALUES, *values) if isinstance(each, type(value))]
        new = rng.choice(same_kind if rng.random() < 0.8 else _VALUES)
    if rng.random() < 0.1:
        db.execute(f"DELETE FROM {table} WHERE {column} IS ?", (value,))  # noqa: S608  # ours
    else:
        db.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} IS ?", (new, value))  # noqa: S608
