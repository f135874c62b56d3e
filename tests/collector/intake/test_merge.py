import sqlite3
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import BadInput
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.intake.merge import merge
from collector.scoring.predictions import add_predictions
from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.store.opening import open_store, open_store_to_read
from contract.records import Record
from tests.collector.command import invoked, printed
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, run_records, started
from tests.collector.intake.test_ingest import OTHER, RUN, RUNS, rows


def whole(folder: Path) -> dict[str, list[object]]:
    with open_store(folder / "whole.db", create=True) as store:
        take(store, *(batch(records, run_id) for run_id, records in RUNS.items()))
        return rows(store)


def halves(records: Sequence[Record], of: set[int], both: set[int]) -> tuple[list[Record], list[Record]]:
    """Which records each of two collectors that share a subscription got."""
    mine = [r for r in records if r.seq in of or r.seq in both]
    theirs = [r for r in records if r.seq not in of or r.seq in both]
    return mine, theirs


@settings(max_examples=25)
@given(of=st.sets(st.integers(0, 9)), both=st.sets(st.integers(0, 9)))
def test_two_halves_make_the_whole_and_nothing_twice(of: set[int], both: set[int]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = folder / "a.db", folder / "b.db"
        for index, path in enumerate(paths):
            with open_store(path, create=True) as store:
                for run_id, records in RUNS.items():
                    if part := halves(records, of, both)[index]:
                        take(store, batch(part, run_id))
        with open_store(paths[0]) as store, open_store_to_read(paths[1]) as other:
            first = merge(store, other)
            assert rows(store) == whole(folder)
            again = merge(store, other)
            assert (again.stored, again.duplicates) == (0, first.stored + first.duplicates)
            assert rows(store) == whole(folder)


def test_a_run_of_two_devices_is_not_merged_and_the_others_are(store: Store, tmp_path: Path) -> None:
    take(store, batch([started()], RUN))
    with open_store(tmp_path / "b.db", create=True) as other:
        take(other, batch([started(on=device("forger"))], RUN, "forger"), batch(run_records(), OTHER))
        done = merge(store, other)
    assert (done.runs, done.stored) == (2, 7)
    (sentence,) = done.refused
    assert sentence.endswith(f"run {RUN} belongs to 'pi-5', not to 'forger'")
    assert store.value("SELECT count(*) FROM streams") == 2


def test_a_run_that_two_boards_continued_is_not_mixed_and_later_runs_are_merged(
    store: Store, tmp_path: Path
) -> None:
    """One database holds an interrupted end of it, the other a complete one."""
    shared: list[Record] = [started(), *(answer(seq, f"q{seq}") for seq in range(1, 10))]
    take(store, batch([*shared, finished(10, status="interrupted")], RUN))
    with open_store(tmp_path / "b.db", create=True) as other:
        longer: list[Record] = [*shared, *(answer(seq, f"q{seq}") for seq in range(10, 14)), finished(14)]
        take(other, batch(longer, RUN), batch(run_records(), OTHER))
    before = rows(store)
    refused = invoked("merge", tmp_path / "b.db", "--db", store.name)
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert f"run '{RUN[:8]}' of 'pi-5' was not merged: records 10 to 14" in refused.stderr
    assert "1 run was not merged; all others were" in refused.stderr
    assert "7 records stored" in refused.stdout
    after = rows(store)
    assert all(set(map(repr, before[table])) <= set(map(repr, after[table])) for table in before)
    assert {row[0] for row in after["runs"]} == {RUN, OTHER}


def unchecked(table: str, statement: str) -> list[str]:
    """Statements that write what the table's own rules forbid, as damage of the file can."""
    return [
        f"CREATE TEMP TABLE saved AS SELECT sql FROM sqlite_schema WHERE name = '{table}'",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(replace(sql, 'NOT NULL', ''), 'STRICT', '') "
        f"WHERE name = '{table}'",
        "PRAGMA writable_schema = RESET",
        statement,
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_schema SET sql = (SELECT sql FROM saved) WHERE name = '{table}'",
        "PRAGMA writable_schema = RESET",
    ]


HOSTILE = {
    "a run without an id": unchecked("streams", "UPDATE streams SET run_id = NULL"),
    "a run of nobody": unchecked("streams", "UPDATE streams SET device_id = 7"),
    "a number in place of JSON": unchecked("runs", "UPDATE runs SET bundle = 1"),
    "bytes in place of JSON": unchecked("runs", "UPDATE runs SET bundle = x'ff'"),
    "a number in place of a list": unchecked("answers", "UPDATE answers SET marks = 5"),
    "a number below zero": ["UPDATE answers SET seq = -seq WHERE seq > 2"],
    "a time below zero": ["UPDATE answers SET infer_ns = -9000000000000000000"],
    "a run id with escapes": [f"UPDATE streams SET run_id = char(27) || '[2J' WHERE run_id = '{RUN}'"],
    "no bundle": ["UPDATE runs SET bundle = '{', device = '[', settings = 'x'"],
    "lists in lists without end": [
        """UPDATE runs SET device = '{"x":' || replace(hex(zeroblob(100000)), '00', '[')""",
    ],
    "too few layers": ["UPDATE runs SET settings = '{}'"],
    "two records of a number": ["UPDATE samples SET seq = 1"],
    "text that is not UTF-8": ["UPDATE answers SET text = CAST(x'ff' AS TEXT) WHERE seq = 1"],
    "NULL where none may be": [
        "PRAGMA legacy_alter_table = ON",
        "CREATE TABLE x AS SELECT * FROM answers",
        "DROP TABLE answers",
        "ALTER TABLE x RENAME TO answers",
    ],
    "a view that never ends": [
        "DROP TABLE rejected",
        "CREATE VIEW rejected AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
        "SELECT hex(n), n, n, n, n, n, n, n FROM t",
    ],
}


@pytest.mark.sqlite
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_database_gets_a_sentence_and_changes_nothing(
    store: Store, tmp_path: Path, name: str
) -> None:
    take(store, batch(run_records(), OTHER))
    before = rows(store)
    with open_store(tmp_path / "b.db", create=True) as other:
        take(other, batch(run_records(), RUN))
    with sqlite3.connect(tmp_path / "b.db") as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        for statement in HOSTILE[name]:
            raw.execute(statement)
    raw.close()
    refused = invoked("merge", tmp_path / "b.db", "--db", store.name)
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False), refused.stderr
    assert "was not merged" in refused.stderr or "was changed by another program" in refused.stderr
    assert refused.stderr.replace("\n", "").isprintable()
    assert rows(store) == before


@pytest.mark.parametrize(
    "statements",
    [
        unchecked("rejected", "UPDATE rejected SET source = NULL"),
        unchecked("rejected", "UPDATE rejected SET reason = x'05'"),
        unchecked("kept", "UPDATE kept SET body = 'no base64'"),
        unchecked("systems", "UPDATE systems SET added_at = x'05'"),
    ],
)
def test_what_comes_along_is_checked_too(
    store_with_golds: Store, questions_file: Path, tmp_path: Path, statements: list[str]
) -> None:
    predictions = tmp_path / "predictions.json"
    predictions.write_text('{"q1": "Dresden"}')
    add_predictions(store_with_golds, predictions, "Gizmo", "rivers")
    with open_store(tmp_path / "b.db", create=True) as other:
        ingest(other, [Delivery("a.jsonl:1", b'{"format_version":99,"type":"batch"}')])
        add_questions(other, questions_file)
        add_predictions(other, predictions, "Gizmo", questions_file.stem)
    with sqlite3.connect(tmp_path / "b.db") as raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()
    with open_store_to_read(tmp_path / "b.db") as other, pytest.raises(BadInput, match="cannot be stored"):
        merge(store_with_golds, other)
    assert store_with_golds.value("SELECT count(*) FROM rejected") == 0


def test_from_the_command_line_with_questions(database: Path, questions_file: Path, tmp_path: Path) -> None:
    for path, run_id in ((database, RUN), (tmp_path / "b.db", OTHER)):
        with open_store(path, create=True) as store:
            take(store, batch(run_records(), run_id))
    with open_store(tmp_path / "b.db") as store:
        add_questions(store, questions_file)
    line = printed("merge", tmp_path / "b.db", "--db", database)
    assert line.endswith("1 run, 7 records stored, 0 known before\n")
    printed("score", "--db", database)
    with open_store_to_read(database) as store:
        assert store.value("SELECT count(*) FROM scores") == 8
        assert store.value("SELECT count(*) FROM golds") == 5


def test_a_database_is_not_merged_with_itself(database: Path) -> None:
    open_store(database, create=True).close()
    refused = invoked("merge", database.parent / "." / database.name, "--db", database)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "is the database itself" in refused.stderr


def test_predictions_come_along_and_the_last_added_stay(
    store_with_golds: Store, questions_file: Path, tmp_path: Path
) -> None:
    def predict(text: str) -> Path:
        path = tmp_path / f"{text}.json"
        path.write_text(f'{{"q1": "{text}"}}')
        return path

    def predicted() -> list[tuple[object, ...]]:
        sql = "SELECT model, question_id, text FROM predictions JOIN systems USING (system) ORDER BY model"
        return list(store_with_golds.tuples(sql))

    add_predictions(store_with_golds, predict("old"), "Gizmo", "rivers")
    with open_store(tmp_path / "b.db", create=True) as other:
        add_questions(other, questions_file)
        add_predictions(other, predict("new"), "Gizmo", questions_file.stem)
        add_predictions(other, predict("theirs"), "Widget", questions_file.stem)
        for _ in range(2):
            merge(store_with_golds, other)
            assert predicted() == [("Gizmo", "q1", "new"), ("Widget", "q1", "theirs")]
    add_predictions(store_with_golds, predict("newest"), "Gizmo", "rivers")
    with open_store_to_read(tmp_path / "b.db") as other:
        merge(store_with_golds, other)
    assert predicted() == [("Gizmo", "q1", "newest"), ("Widget", "q1", "theirs")]
