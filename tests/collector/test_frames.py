import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collector import frames
from collector.comparison.compare import compare_file
from collector.errors import BadInput
from collector.store.database import Store
from collector.store.opening import open_store_to_read
from collector.store.parquet import write_parquet
from tests.collector.reports import three_models
from tests.collector.turns import SLOWER, STEADY, measured
from tests.installed import module

README = """
from collector import frames
answers = frames.answers(database, models="minilm-l6")
frame = answers.to_pandas()
"""


@pytest.fixture(autouse=True)
def _pyarrow() -> None:
    module("pyarrow")


@pytest.fixture
def filled(store_with_golds: Store, database: Path) -> Path:
    three_models(store_with_golds)
    return database


def test_answers_are_those_of_the_parquet_file(filled: Path, tmp_path: Path) -> None:
    pq = module("pyarrow.parquet")
    with open_store_to_read(filled) as store:
        write_parquet(store, tmp_path / "answers.parquet")
    table = frames.answers(filled)
    assert table.equals(pq.read_table(tmp_path / "answers.parquet"))
    assert {row["f1"] for row in table.to_pylist() if row["model"] == "bert-large"} == {None}, (
        "random weights"
    )


def test_some_runs_are_chosen_as_by_options(filled: Path) -> None:
    int8 = frames.answers(str(filled), models="minilm-l6", precisions=["int8"]).to_pylist()
    assert {(row["model"], row["precision"]) for row in int8} == {("minilm-l6", "int8")}
    assert len(frames.runs(filled, models=["MiniLM-L6"], settings="scenario=single-stream")) == 2
    with pytest.raises(BadInput, match="there is no model 'minilm'; the nearest is '"):
        frames.answers(filled, models="minilm")
    with pytest.raises(TypeError, match="model"):
        frames.answers(filled, model="minilm-l6")  # type: ignore[call-arg]


def test_rows_are_those_of_the_report(filled: Path) -> None:
    table = frames.rows(filled)
    comparison = compare_file(filled)
    assert len(table) == len(comparison.rows) == 3
    for found, row in zip(table.to_pylist(), comparison.rows, strict=True):
        for name in ("model", "exact_match", "f1", "p50_ms", "speed_up", "peak_rss_bytes", "partial"):
            assert found[name] == getattr(row, name)
        assert (found["f1_low"], found["f1_high"]) == row.intervals.get("f1", (None, None))
        assert json.loads(found["notes"]) == {field: list(notes) for field, notes in row.notes.items()}
        assert found["drawn_units"] == (None if row.drawn is None else row.drawn.units)
    types = {name: str(table.schema.field(name).type) for name in ("f1", "answered", "title", "best_for")}
    assert types == {"f1": "double", "answered": "int64", "title": "string", "best_for": "list<item: string>"}


def test_runs_have_times_settings_and_versions(filled: Path) -> None:
    (first, *_) = frames.runs(filled).to_pylist()
    assert first["started_at"] == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert (first["machine"], first["state"]) == ("Raspberry Pi 5 Model B, 4 cores", "complete")
    assert json.loads(first["settings"])["threads"] == first["threads"] == 4
    assert json.loads(first["versions"]) == {"python": "3.13.5"}


def test_a_trend_is_a_row_per_run_with_both_changes(store: Store, database: Path) -> None:
    measured(store, *STEADY, *SLOWER)
    found = frames.trend(database, devices="pi-5").to_pylist()
    assert [row["since_last_time_significant"] for row in found] == [None, *[False] * 3, True, *[False] * 2]
    assert found[4]["changed"] == ["onnxruntime 1.22 → onnxruntime 1.23"]
    assert found[4]["since_last_time_interval_low"] < found[4]["since_last_time_percent"]
    assert found[6]["since_first_time_percent"] == pytest.approx(30, abs=2)


def test_sql_gives_a_table_even_without_rows(filled: Path) -> None:
    table = frames.sql(filled, "SELECT model, count(*) AS runs FROM runs GROUP BY model ORDER BY model")
    assert table.to_pylist() == [{"model": "bert-large", "runs": 1}, {"model": "minilm-l6", "runs": 6}]
    assert frames.sql(filled, "SELECT model FROM runs WHERE 0").column_names == ["model"]
    with pytest.raises(BadInput, match="SQL 'DELETE FROM runs' fails"):
        frames.sql(filled, "DELETE FROM runs")


@pytest.mark.parametrize("what", [frames.answers, frames.runs, frames.trend, frames.rows])
def test_an_empty_database_is_an_empty_table(
    store: Store, database: Path, what: Callable[[Path], Any]
) -> None:
    del store
    assert len(what(database)) == 0


def test_the_three_lines_of_the_documentation_give_a_data_frame(filled: Path) -> None:
    module("pandas")
    names: dict[str, Any] = {"database": filled}
    exec(README, names)
    frame = names["frame"]
    assert set(frame["model"]) == {"minilm-l6"}
    assert frame["infer_ns"].dtype == "int64"
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    for line in README.strip().splitlines()[1:]:
        assert line.replace("database", '"results.db"') in page


def test_other_libraries_read_it(filled: Path) -> None:
    rows = frames.rows(filled)
    assert module("duckdb").sql("SELECT count(*) FROM rows").fetchall() == [(3,)]
    assert hasattr(rows, "__arrow_c_stream__"), "the interface by which polars and others read Arrow tables"


def test_without_pyarrow_it_says_what_to_install(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for what in (frames.answers, frames.runs, frames.rows, frames.trend):
        with pytest.raises(BadInput, match=r"a data frame needs the package pyarrow; .*\[parquet\]'"):
            what(filled)


def test_a_missing_database_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no database '.*absent\.db'"):
        frames.answers(tmp_path / "absent.db")
