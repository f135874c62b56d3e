"""Rows are compared by their means, which are remembered and made in pieces, and not by their answers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.results.fleet import Fleet, build
from collector.comparison.compare import compare
from collector.comparison_inputs.answers import Answers, RunSet
from collector.comparison_inputs.means.pieces import means_of_piece, pieces
from collector.comparison_inputs.standing import standing, type_of
from collector.comparison_inputs.tasks.contrast import contrast
from collector.comparison_inputs.tasks.means import means
from collector.comparison_inputs.tasks.speed import geometric_means
from collector.comparison_inputs.tasks.summing import repeated
from collector.comparison_inputs.tasks.task import Memo
from collector.report.formats.render import render
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.store.opening import open_store_to_read
from collector.store.runs import all_runs
from collector.summaries import question_ranges, run_summary
from collector.summaries.refresh import score_answers
from collector.summaries.repeatability import Measurement, repeats
from collector.summaries.run_summary import Derived
from tests.collector.delivering import take
from tests.collector.factory import batch
from tests.collector.mixed_fleet import BOARDS, BUNDLES, fill
from tests.collector.part_of_a_file import run

MEANS = '%"of_devices"%'


@pytest.fixture
def fleet(store: Store, tmp_path: Path) -> Store:
    fill(store, tmp_path)
    return store


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question_ranges, "PIECE_ANSWERS", 20)
    monkeypatch.setattr(run_summary, "ANSWERS_A_PART", 13)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement from now on that reads columns or answers."""
    found: list[str] = []

    def counted(tuples: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def read(self: Store, sql: str, *parameters: object) -> Iterator[Any]:
            if "column_parts" in sql or "FROM answers" in sql:
                found.append(sql)
            yield from tuples(self, sql, *parameters)

        return read

    for kind in Store.__subclasses__():
        monkeypatch.setattr(kind, "tuples", counted(kind.tuples))
    return found


def _text(store: Store, *, by_device: bool = False) -> str:
    found = compare(store, by_device=by_device)
    return render(msgspec.structs.replace(found, generated_at="", collector_id=""), "json")


def _forget(store: Store) -> None:
    """Drop all that was derived, and make the columns again."""
    with store.writing() as conn:
        conn.execute("DELETE FROM run_columns")
        conn.execute("DELETE FROM findings")
    score_answers(store)


def _rows(store: Store, derived: Derived) -> list[RunSet]:
    rows = standing(all_runs(store), type_of)
    return [RunSet(row.runs, tuple(map(derived.digest, row.runs))) for row in rows]


def test_the_report_is_the_same_from_pieces(
    fleet: Store, small_pieces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forget(fleet)
    cut = [_text(fleet, by_device=True), _text(fleet)]
    kept = "SELECT count(*) FROM findings WHERE value LIKE ?"
    assert fleet.value(kept, MEANS) > 60, "rows have several pieces"
    monkeypatch.undo()
    _forget(fleet)
    assert [_text(fleet, by_device=True), _text(fleet)] == cut
    assert fleet.value(kept, MEANS) == 12, (
        "rows and what an accuracy is taken over from, and no part of a row"
    )


def test_a_report_of_columns_that_are_not_stored_is_the_same(fleet: Store, small_pieces: None) -> None:
    expected = _text(fleet)
    with fleet.writing() as conn:
        conn.execute("DELETE FROM run_columns")
        conn.execute("DELETE FROM findings")
    with open_store_to_read(fleet.name) as reading:
        assert _text(reading) == expected


def test_what_compares_rows_reads_no_columns(fleet: Store, small_pieces: None, reads: list[str]) -> None:
    compare(fleet)
    derived = Derived(fleet)
    rows = _rows(fleet, derived)
    several = [row for row in rows if len(row.devices) == len(BOARDS)]
    with fleet.writing() as conn:
        conn.execute("DELETE FROM findings WHERE value NOT LIKE ?", (MEANS,))
    reads.clear()
    cache = FindingsCache(fleet)
    memo = Memo(Answers(fleet, derived, cache.known), cache)
    found = memo.recall(contrast(*several[:2]))
    assert found is not None and found.bertscore_f1 is not None
    assert len(memo.recall(geometric_means(several))) == len(several)
    assert reads == []
    memo.recall(contrast(several[0], RunSet(several[1].runs[:1], several[1].run_digests[:1])))
    assert reads, "the rest of a row's devices is not remembered"


def test_means_are_kept_as_long_as_their_row_is_reported(fleet: Store, reads: list[str]) -> None:
    stored = "SELECT digest FROM findings WHERE value LIKE ?"
    compare(fleet)
    first = set(fleet.tuples(stored, MEANS))
    reads.clear()
    compare(fleet)
    assert set(fleet.tuples(stored, MEANS)) == first and reads == []
    take(fleet, batch(run(on=BOARDS[0], bundle=BUNDLES[0]), device_id=BOARDS[0].device_id))
    score_answers(fleet)
    compare(fleet)
    second = set(fleet.tuples(stored, MEANS))
    changed = 2  # the row that has another run, and what an accuracy is taken over from now
    assert len(second - first) == len(first - second) == changed


def test_consecutive_runs_are_compared_device_by_device_and_listed_in_order(fleet: Store) -> None:
    derived = Derived(fleet)
    answers = Answers(fleet, derived)
    rows = [row for row in _rows(fleet, derived) if len(row.runs) > len(row.devices) > 1]
    several = set()
    for row in rows:
        in_order = (Measurement(run.run_id, run.device_id, answers.of_run(run)) for run in row.runs)
        found = repeated(row).compute(answers)
        assert found == repeats(in_order)
        several.add(len({repeat.device_id for repeat in found}) > 1)
    assert several == {False, True}


def test_a_piece_has_a_limited_number_of_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 300
    monkeypatch.setattr(question_ranges, "PIECE_ANSWERS", most)
    monkeypatch.setattr(run_summary, "ANSWERS_A_PART", 100)
    monkeypatch.setattr("bench.results.fleet.HARDWARE_CLASSES", ("desktop",))
    build(tmp_path / "fleet.db", Fleet(4, 1_000, ("minilm-l6",), ("fp32",)))
    with open_store_to_read(tmp_path / "fleet.db") as store:
        derived = Derived(store)
        (row,) = _rows(store, derived)
        cut = list(pieces(row.runs, row.run_digests))
        found = [means_of_piece(piece, derived) for piece in cut]
        assert len(cut) == 14
        answers = [4 * len(of_piece.question) for of_piece in found]
        assert sum(answers) == 4_000
        assert max(answers) < 1.5 * most
        assert len(means(row)) == len(cut)
        assert max(task.answers for task in means(row)) < most
