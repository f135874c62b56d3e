from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import BadInput
from collector.intake.merge import merge
from collector.scoring.predictions import add_predictions
from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from contract.records import Record
from tests.collector.command import collector, said
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records, started
from tests.collector.intake.test_ingest import OTHER, RUN, RUNS, rows


def whole(folder: Path) -> dict[str, list[object]]:
    with Store.open(folder / "whole.db", create=True) as store:
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
            with Store.open(path, create=True) as store:
                for run_id, records in RUNS.items():
                    if part := halves(records, of, both)[index]:
                        take(store, batch(part, run_id))
        with Store.open(paths[0]) as store, Store.open_to_read(paths[1]) as other:
            first = merge(store, other)
            assert rows(store) == whole(folder)
            again = merge(store, other)
            assert (again.stored, again.duplicates) == (0, first.stored + first.duplicates)
            assert rows(store) == whole(folder)


def test_one_run_of_two_devices_is_refused_whole(store: Store, tmp_path: Path) -> None:
    take(store, batch([started()], RUN))
    with Store.open(tmp_path / "b.db", create=True) as other:
        take(other, batch(run_records(), OTHER))
        with other.writing() as conn:
            conn.execute("INSERT INTO streams VALUES (99, ?, 'forger', '2026')", (RUN,))
        with pytest.raises(BadInput, match="to 'pi-5' in this database and to 'forger' in the other"):
            merge(store, other)
    assert store.value("SELECT count(*) FROM streams") == 1


def test_from_the_command_line_with_questions(database: Path, questions_file: Path, tmp_path: Path) -> None:
    for path, run_id in ((database, RUN), (tmp_path / "b.db", OTHER)):
        with Store.open(path, create=True) as store:
            take(store, batch(run_records(), run_id))
    with Store.open(tmp_path / "b.db") as store:
        add_questions(store, questions_file)
    line = said("merge", tmp_path / "b.db", "--db", database)
    assert line.endswith("1 run, 7 records stored, 0 known before\n")
    said("score", "--db", database)
    with Store.open_to_read(database) as store:
        assert store.value("SELECT count(*) FROM scores") == 8
        assert store.value("SELECT count(*) FROM golds") == 5


def test_a_database_is_not_merged_with_itself(database: Path) -> None:
    Store.open(database, create=True).close()
    refused = collector("merge", database.parent / "." / database.name, "--db", database)
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
    with Store.open(tmp_path / "b.db", create=True) as other:
        add_questions(other, questions_file)
        add_predictions(other, predict("new"), "Gizmo", questions_file.stem)
        add_predictions(other, predict("theirs"), "Widget", questions_file.stem)
        for _ in range(2):
            merge(store_with_golds, other)
            assert predicted() == [("Gizmo", "q1", "new"), ("Widget", "q1", "theirs")]
    add_predictions(store_with_golds, predict("newest"), "Gizmo", "rivers")
    with Store.open_to_read(tmp_path / "b.db") as other:
        merge(store_with_golds, other)
    assert predicted() == [("Gizmo", "q1", "newest"), ("Widget", "q1", "theirs")]
