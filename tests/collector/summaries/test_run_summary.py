import statistics
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.comparison.compare import compare, compare_file
from collector.findings.comparison import Comparison
from collector.intake.ingest import ingest
from collector.scoring.question_sets import add_questions
from collector.serving.rebuild import rebuild
from collector.store.database import Store
from collector.store.opening import open_store_to_read
from collector.store.runs import all_runs
from collector.store.transaction import RowRefused
from collector.summaries.columns import Columns, Keys, PerQuestion, median_times, shared
from collector.summaries.refresh import score_answers
from collector.summaries.run_summary import COLUMNS_HELD, Derived
from contract.records import Answer
from tests.collector.command import invoked
from tests.collector.delivering import by_topic, take
from tests.collector.factory import (
    answer,
    batch,
    finished,
    manifest,
    run_of_two_rounds,
    run_records,
    sample,
    started,
)

DERIVED = ("ranges", "scores", "run_columns", "column_parts", "findings")


def derived_rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(store.tuples(f"SELECT * FROM {table}")) for table in DERIVED}


def numbers(comparison: Comparison) -> Comparison:
    return replace(comparison, generated_at="")


@pytest.fixture
def grown(store_with_golds: Store) -> Store:
    """A database with two runs; a report was made before the second run was complete."""
    take(store_with_golds, batch(run_records(bundle=manifest("bert-large"))))
    records = run_records(bundle=manifest(precision="int8"))
    for part in (records[:3], records[4:5]):  # with a gap in between
        take(store_with_golds, batch(part, "b" * 32))
        score_answers(store_with_golds)
        compare(store_with_golds)
    take(store_with_golds, batch((records[3], *records[5:]), "b" * 32))
    return store_with_golds


def test_rebuilding_gives_the_same_bytes(grown: Store) -> None:
    score_answers(grown)
    before = numbers(compare(grown))
    kept = derived_rows(grown)
    assert all(kept.values())
    assert rebuild(grown, lambda done, total: None) == 2
    assert derived_rows(grown) == kept
    assert numbers(compare(grown)) == before


def test_rebuilding_knows_the_records_of_rounds(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_of_two_rounds()))
    score_answers(store_with_golds)
    before = numbers(compare(store_with_golds))
    kept = derived_rows(store_with_golds)
    rebuild(store_with_golds, lambda done, total: None)
    assert derived_rows(store_with_golds) == kept
    assert numbers(compare(store_with_golds)) == before


def test_parts_of_more_answers_replace_those_of_fewer(grown: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.summaries.run_summary.ANSWERS_A_PART", 3)
    score_answers(grown)
    before = numbers(compare(grown))
    parts = list(grown.tuples("SELECT stream, part FROM column_parts ORDER BY 1, 2"))
    assert parts == [(1, 0), (2, 0), (2, 1)]  # the first run was complete, and made before, as one part
    rebuild(grown, lambda done, total: None)
    assert grown.value("SELECT count(*) FROM column_parts") == 4
    monkeypatch.setattr("collector.summaries.run_summary.ANSWERS_A_PART", 100)
    rebuild(grown, lambda done, total: None)
    assert grown.value("SELECT count(*) FROM column_parts") == 2
    assert numbers(compare(grown)) == before


@pytest.mark.sqlite
def test_a_crash_between_parts_leaves_no_columns_marked_as_complete(
    grown: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_answers(grown)
    expected = numbers(compare(grown))
    monkeypatch.setattr("collector.summaries.run_summary.ANSWERS_A_PART", 1)
    with grown.writing() as conn:
        conn.execute("DELETE FROM run_columns")
        conn.execute(
            "CREATE TEMP TRIGGER crash BEFORE INSERT ON column_parts WHEN new.part = 2 "
            "BEGIN SELECT raise(ABORT, 'crash'); END"
        )
    with pytest.raises(RowRefused, match="crash"):
        score_answers(grown)
    assert grown.value("SELECT count(*) FROM run_columns") == 0
    with grown.writing() as conn:
        conn.execute("DROP TRIGGER crash")
    assert numbers(compare(grown)) == expected
    score_answers(grown)
    assert numbers(compare(grown)) == expected


def test_rebuilding_repairs_what_was_damaged(grown: Store, database: Path) -> None:
    score_answers(grown)
    compare(grown)
    kept = derived_rows(grown)
    with grown.writing() as conn:
        conn.execute("UPDATE scores SET f1 = 0.123")
        conn.execute("UPDATE ranges SET last_seq = last_seq + 5")
        conn.execute("DELETE FROM findings")
    done = invoked("rebuild", "--db", database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "rebuilt 2 runs\n", "")
    assert derived_rows(grown) == kept


def test_a_report_without_the_right_to_write_is_the_same(grown: Store, database: Path) -> None:
    with open_store_to_read(database) as reader:
        unscored = compare(reader)
        assert any("not every answer is scored" in note for note in unscored.rows[1].notes["f1"])
    score_answers(grown)
    expected = numbers(compare(grown))
    with grown.writing() as conn:
        conn.execute("DELETE FROM run_columns")
        conn.execute("DELETE FROM findings")
    with open_store_to_read(database) as reader:
        assert numbers(compare(reader)) == expected


def test_what_was_computed_is_not_computed_again(grown: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    score_answers(grown)
    expected = numbers(compare(grown))
    monkeypatch.setattr(Columns, "from_bytes", None)  # nothing may ask for columns
    assert numbers(compare(grown)) == expected


def test_golds_that_change_renew_what_was_made_with_the_old(grown: Store, questions_file: Path) -> None:
    score_answers(grown)
    assert compare(grown).rows[0].exact_match == 50.0
    text = questions_file.read_text()
    questions_file.write_text(
        text.replace('"Dresden and Hamburg","answer_start":0', '"Hamburg","answer_start":12')
    )
    add_questions(grown, questions_file)
    score_answers(grown)
    assert compare(grown).rows[0].exact_match == 75.0


def test_reports_and_ingest_do_not_hold_each_other_up(store_with_golds: Store, database: Path) -> None:
    count = 20_000
    take(store_with_golds, batch((started(),), "c" * 32))
    for first in range(1, count + 1, 500):
        answers = [answer(seq, f"q{seq % 4 + 1}") for seq in range(first, first + 500)]
        assert take(store_with_golds, batch(answers, "c" * 32)).stored == 500
    stop = threading.Event()
    reports: list[float] = []
    waits: list[float] = []
    errors: list[Exception] = []

    def report() -> None:
        try:
            while not stop.is_set():
                start = time.perf_counter()
                compare_file(database)
                reports.append(time.perf_counter() - start)
        except Exception as error:  # checked in the test's own thread
            errors.append(error)

    reporting = threading.Thread(target=report)
    reporting.start()
    try:
        seq = count + 1
        while (len(reports) < 5 or len(waits) < 50) and not errors:
            more: list[Answer] = [answer(seq + i, "q1") for i in range(20)]
            start = time.perf_counter()
            ingest(store_with_golds, [by_topic(batch(more, "c" * 32))])
            waits.append(time.perf_counter() - start)
            seq += 20
            time.sleep(0.01)
    finally:
        stop.set()
        reporting.join()
    assert not errors
    assert sorted(waits)[len(waits) * 9 // 10] < statistics.median(reports) / 2, "one waits for the other"
    assert compare_file(database).rows[0].timed == seq - 1


ANSWERS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 10**12), st.sampled_from([0, 0, 0, 1, 2])), max_size=30
)


def columns(answers: list[tuple[str, int, int]]) -> Columns:
    rows = [
        (question, seq, ns, 40, state, "t", 1.0, 0.5, float("nan"))
        for seq, (question, ns, state) in enumerate(answers)
    ]
    return Columns.of(rows, Keys())


@given(ANSWERS, st.integers(1, 40))
def test_columns_come_back_from_the_bytes_of_their_parts(
    answers: list[tuple[str, int, int]], size: int
) -> None:
    made = columns(answers)
    parts = [made.to_bytes(slice(start, start + size)) for start in range(0, len(answers), size)]
    for found, expected in zip(Columns.from_bytes(parts), made, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert sorted(made.seq.tolist()) == list(range(len(answers)))


@given(ANSWERS)
def test_a_questions_time_is_the_median_of_those_that_count(
    answers: list[tuple[str, int, int]],
) -> None:
    expected: dict[int, list[int]] = {}
    for question, ns, state in answers:
        if state == 0:
            expected.setdefault(Keys().of([question])[0], []).append(ns)
    found = median_times(columns(answers))
    assert dict(zip(found.question.tolist(), found.value.tolist(), strict=True)) == {
        key: int(median(times)) for key, times in expected.items()
    }


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_shared_questions_lie_side_by_side(left: set[int], right: set[int]) -> None:
    def numbered(keys: set[int]) -> PerQuestion:
        return PerQuestion(np.array(sorted(keys), np.uint64), np.array(sorted(keys)) * 10)

    ours, theirs = shared(numbered(left), numbered(right))
    assert ours.tolist() == theirs.tolist() == [10 * key for key in sorted(left & right)]


def test_a_question_asked_twice_has_the_mean_of_its_two_times() -> None:
    found = median_times(columns([("a", 100, 0), ("a", 900, 0), ("b", 7, 0)]))
    assert sorted(found.value.tolist()) == [7, 500]


def test_who_is_run_twice_does_not_win(store: Store) -> None:
    noise = np.random.default_rng(1)
    for model, runs in (("bert-large", 1), ("minilm-l6", 2)):  # equally fast
        for _ in range(runs):
            times = [(f"q{n}", "x", ms) for n, ms in enumerate(100 * np.exp(noise.normal(0, 0.1, 400)))]
            take(store, batch(run_records(times, manifest(model))))
    row = next(row for row in compare(store).rows if row.model == "minilm-l6")
    assert row.speed_up == pytest.approx(1.0, abs=0.02), "it was 1.06 by the faster of two times"


@pytest.mark.sqlite
def test_summaries_by_older_rules_are_made_again(grown: Store) -> None:
    score_answers(grown)
    expected = numbers(compare(grown))
    with grown.writing() as conn:
        conn.execute("UPDATE run_columns SET course = '{\"marks\":{}}'")
    assert numbers(compare(grown)) == expected
    score_answers(grown)
    assert grown.value("SELECT count(*) FROM run_columns WHERE json_extract(course, '$.rules') > 0") == 2


def test_runs_of_one_row_are_pooled(store: Store) -> None:
    for offset in (0.0, 1.0):
        answers = [answer(seq, f"q{seq}", "x", 10.0 * seq + offset) for seq in (1, 2, 3)]
        take(store, batch((started(), *answers, sample(4), finished(5, 3))))
    row = compare(store).rows[0]
    assert (row.timed, row.p50_ms, row.answered) == (6, 20.0, 3)


def test_columns_that_were_computed_and_dropped_are_computed_again(store: Store, database: Path) -> None:
    """A database that nothing may write has no stored columns, and only some are kept in memory."""
    for n in range(COLUMNS_HELD + 2):
        take(store, batch(run_records(bundle=manifest(f"model-{n}"))))
    with open_store_to_read(database) as reading:
        derived = Derived(reading)
        runs = all_runs(reading)
        digests = [derived.summary(run).digest for run in runs]
        assert [len(derived.columns(run).seq) for run in runs] == [4] * len(runs)
        assert [derived.summary(run).digest for run in runs] == digests
