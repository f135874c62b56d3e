"""Merges the databases of other collectors into one: each record once, whichever collector stored it.

Raw data is merged: runs, rejected messages, question files with their gold answers, and added predictions.
Derived data is computed again when a report needs it.
"""

import sqlite3
from typing import Final, NamedTuple

from collector.errors import BadInput
from collector.intake import rejected
from collector.intake.ingest import add_stream, known_stream, store_ranges
from collector.intake.record_rows import TABLES
from collector.intake.seq_ranges import holds
from collector.scoring.predictions import put_system
from collector.store.database import Store

_RECORDS: Final = {table: "0" if table == "runs" else "seq" for table in TABLES}
"""The tables of records, each with the SQL expression of its `seq`."""


class Merged(NamedTuple):
    """The result of a merge."""

    runs: int
    """How many runs the other database has, whether or not they were new."""
    stored: int
    """How many records are new."""
    duplicates: int
    """How many records had been stored before."""


def merge(store: Store, other: Store) -> Merged:
    """Import what another database holds, with one transaction per run. Doing it twice changes nothing.

    Raises:
        BadInput: one run belongs to different devices in the two databases; nothing was merged.
        StorageUnavailable: the database cannot be written now; the merge may be tried again.
    """
    stored = duplicates = 0
    with other.reading():
        streams = list(
            other.tuples("SELECT stream, run_id, device_id, first_received_at FROM streams ORDER BY stream")
        )
        _check_owners(store, streams)
        for stream, run_id, device_id, first_received_at in streams:
            with store.writing() as conn:
                fresh, before = _merge_run(conn, other, stream, (run_id, device_id, first_received_at))
            stored += fresh
            duplicates += before
        with store.writing() as conn:
            for table in ("rejected", "kept"):
                _copy(conn, other, f"SELECT * FROM {table}", table)  # noqa: S608  # our own names
            rejected.trim(conn)
            _merge_questions(conn, other)
            _merge_systems(conn, other)
    return Merged(len(streams), stored, duplicates)


def _check_owners(store: Store, streams: list[tuple[int, str, str, str]]) -> None:
    for _, run_id, device_id, _ in streams:
        owner = store.value("SELECT device_id FROM streams WHERE run_id = ?", run_id)
        if owner not in {None, device_id}:
            raise BadInput(
                f"run {run_id} belongs to {owner!r} in this database and to {device_id!r} in the other"
            )


def _merge_run(
    conn: sqlite3.Connection, other: Store, theirs: int, entry: tuple[str, str, str]
) -> tuple[int, int]:
    ours, _, stored = known_stream(conn, entry[0])
    if ours is None:
        ours = add_stream(conn, *entry)
    fresh: list[int] = []
    duplicates = 0
    for table, seq_column in _RECORDS.items():
        query = f"SELECT {seq_column}, * FROM {table} WHERE stream = ?"  # noqa: S608  # our own names
        for seq, _, *values in other.tuples(query, theirs):
            if holds(stored, seq):
                duplicates += 1
                continue
            marks = ", ?" * len(values)
            conn.execute(f"INSERT INTO {table} VALUES (?{marks})", (ours, *values))  # noqa: S608  # our own names
            fresh.append(seq)
    store_ranges(conn, ours, stored, fresh)
    return len(fresh), duplicates


def _merge_questions(conn: sqlite3.Connection, other: Store) -> None:
    for theirs, sha256, name, added_at in list(
        other.tuples("SELECT question_set, sha256, name, added_at FROM question_sets ORDER BY question_set")
    ):
        if conn.execute("SELECT 1 FROM question_sets WHERE sha256 = ?", (sha256,)).fetchone():
            continue
        ours = conn.execute(
            "INSERT INTO question_sets (sha256, name, added_at) VALUES (?, ?, ?)", (sha256, name, added_at)
        ).lastrowid
        for table in ("passages", "questions", "golds"):
            query = f"SELECT * FROM {table} WHERE question_set = {theirs}"  # noqa: S608  # our own names
            _copy(conn, other, query, table, ours)


def _merge_systems(conn: sqlite3.Connection, other: Store) -> None:
    """Merge the added predictions; of two files of one system for the same questions, the later one stays."""
    for theirs, model, sha256, added_at, questions_sha256 in list(
        other.tuples(
            "SELECT system, model, systems.sha256, systems.added_at, question_sets.sha256 "
            "FROM systems JOIN question_sets USING (question_set) ORDER BY system"
        )
    ):
        (question_set,) = conn.execute(
            "SELECT question_set FROM question_sets WHERE sha256 = ?", (questions_sha256,)
        ).fetchone()
        here = conn.execute(
            "SELECT sha256, added_at FROM systems WHERE model = ? AND question_set = ?",
            (model, question_set),
        ).fetchone()
        if here is not None and (here[0] == sha256 or here[1] >= added_at):
            continue
        ours = put_system(conn, model, question_set, sha256, added_at)
        query = f"SELECT * FROM predictions WHERE system = {theirs}"  # noqa: S608  # our own number
        _copy(conn, other, query, "predictions", ours)


def _copy(conn: sqlite3.Connection, other: Store, query: str, table: str, key: int | None = None) -> None:
    """Insert rows that are missing; `key`, if given, replaces the first column."""
    for row in other.tuples(query):
        values = row if key is None else (key, *row[1:])
        marks = ", ".join("?" * len(values))
        conn.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)  # noqa: S608  # our own names
