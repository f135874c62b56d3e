"""A comparison reads the database once, and what it computed from answers is remembered."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.comparison.compare import COMPARISON, SCORES, compare, compare_file, comparison_of
from collector.comparison_inputs.answers import Answers
from collector.comparison_inputs.inputs import gather
from collector.comparison_inputs.tasks.task import Memo, Task
from collector.findings.comparison import Comparison
from collector.scoring.predictions import add_predictions
from collector.store.database import Store
from collector.store.opening import open_store_to_read
from collector.store.sqlite.sqlite_store import SqliteStore
from tests.collector.delivering import take
from tests.collector.factory import batch, device, manifest, run_records
from tests.collector.reports import three_models


@pytest.fixture
def everything(store_with_golds: Store, tmp_path: Path) -> Store:
    """Rows of one and of several devices, repeated runs, runs of all scenarios, and predictions."""
    predictions = tmp_path / "theirs.json"
    predictions.write_bytes(msgspec.json.encode({"q1": "North Sea", "q4": "Hamburg"}))
    add_predictions(store_with_golds, predictions, "theirs", "rivers")
    for device_id in ("pi-5", "pi-6"):
        for ms in (10.0, 11.0):
            answers = [("q1", "sea", ms), ("q2", "1,094 km", ms + 2), ("q3", "Hamburg", 5.0)]
            take(
                store_with_golds,
                batch(
                    run_records(answers, manifest("distilbert", "int8"), device(device_id)),
                    device_id=device_id,
                ),
            )
    three_models(store_with_golds)
    return store_with_golds


def numbers(comparison: Comparison) -> Comparison:
    return msgspec.structs.replace(comparison, generated_at="")


def test_nothing_is_read_after_the_gathering(everything: Store, database: Path) -> None:
    expected = numbers(compare(everything))
    with open_store_to_read(database) as reader:
        inputs = gather(reader)
    found = numbers(comparison_of(inputs))
    assert found == expected
    assert found.rows and found.scenarios and found.differences and found.units and found.questions


@pytest.mark.sqlite
def test_a_comparison_opens_the_read_once(everything: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Store] = []
    outside: list[str] = []
    reading, tuples = SqliteStore.reading, SqliteStore.tuples

    @contextmanager
    def counted(store: SqliteStore) -> Iterator[None]:
        with reading(store):
            opened.append(store)
            yield
            monkeypatch.setattr(SqliteStore, "tuples", refused)

    def refused(_: SqliteStore, sql: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        outside.append(sql)
        assert isinstance(everything, SqliteStore)
        return tuples(everything, sql, *parameters)

    monkeypatch.setattr(SqliteStore, "reading", counted)
    compare(everything, require="f1>=50")
    assert len(opened) == 1
    assert outside == ["SELECT digest FROM findings"], "only to save what was computed"


def test_what_was_computed_is_remembered(everything: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = numbers(compare(everything))

    def refuse(*_: object) -> None:
        raise AssertionError("answers are read again")

    for name in ("columns", "of_run", "question_ns", "rounds"):
        monkeypatch.setattr(Answers, name, refuse)
    assert numbers(compare(everything)) == expected


def test_every_task_can_be_sent_to_another_process(
    everything: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = numbers(compare(everything))
    kinds = []
    recall = Memo.recall

    def sent(memo: Memo, task: Task[Any]) -> Any:
        kinds.append(task.kind)
        return recall(memo, pickle.loads(pickle.dumps(task)))

    monkeypatch.setattr(Memo, "recall", sent)
    with everything.writing() as conn:
        conn.execute("DELETE FROM findings")
    assert numbers(compare(everything)) == expected
    assert {"measured", "repeats", "devices", "pairing", "level of rounds", "contrast"} < set(kinds)
    assert {"divergence", "geometric means", "endured", "gain", "questions", "sample"} < set(kinds)


def test_progress_counts_stages_up_to_their_end(everything: Store, database: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    compare_file(database, progress=lambda *step: seen.append(step))
    for stage in (SCORES, COMPARISON):
        steps = [(done, total) for name, done, total in seen if name == stage]
        assert steps == sorted(steps) and steps[-1][0] == steps[-1][1] > 0
