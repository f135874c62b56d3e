"""Runs that a collector rejects today, in databases from before this check existed."""

import json
from pathlib import Path

import pytest

from collector.store.database import Store
from collector.store.runs import find_run
from collector.store.sqlite.sqlite_store import SqliteStore
from collector.summaries.refresh import score_answers
from contract.fields import MAX_INT
from tests.collector.command import invoked, printed
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records

pytestmark = pytest.mark.sqlite

GOOD, BAD = "0a" + "1" * 30, "0b" + "2" * 30
SPOILT = {
    "no model": (
        "UPDATE runs SET bundle = json_remove(bundle, '$.files.\"model.onnx\"')",
        "does not list 'model.onnx'",
    ),
    "another format": ("UPDATE runs SET bundle = json_set(bundle, '$.format_version', 99)", "version 99"),
    "no manifest": ("UPDATE runs SET bundle = '[]'", "does not fit the format"),
    "settings": ("UPDATE runs SET settings = '{}'", "missing required field"),
    "time": (f"UPDATE answers SET decode_ns = {MAX_INT}", "does not fit into 64 bits"),
}


@pytest.fixture(params=SPOILT)
def spoilt(request: pytest.FixtureRequest, store_with_golds: Store) -> str:
    """Store two runs, one of which cannot be used; return the reason."""
    sql, reason = SPOILT[request.param]
    take(store_with_golds, batch(run_records(), BAD), batch(run_records(), GOOD))
    with store_with_golds.writing() as conn:
        conn.execute(f"{sql} WHERE stream = (SELECT stream FROM streams WHERE run_id = ?)", (BAD,))
    return reason


def test_reports_and_lists_leave_it_out_and_name_it(spoilt: str, database: Path) -> None:
    found = json.loads(printed("report", "--format", "json", "--db", database))
    assert [row["runs"] for row in found["rows"]] == [1]
    (remark,) = found["remarks"]
    assert remark.startswith("run 0b222222 of pi-5 is left out of reports: ") and spoilt in remark
    assert remark.endswith("; collector prune --run 0b222222 removes it")
    listed = invoked("runs", "--json", "--db", database)
    assert listed.returncode == 0 and [run["run"] for run in json.loads(listed.stdout)] == [GOOD]
    assert listed.stderr == f"{remark}\n"
    for form in ("table", "html"):
        assert "run 0b222222 of pi-5 is left out" in printed("report", "--format", form, "--db", database)


@pytest.mark.parametrize("spoilt", ["no model", "time"], indirect=True)
def test_nothing_else_ends_in_more_than_a_sentence(
    spoilt: str, database: Path, store_with_golds: Store, tmp_path: Path
) -> None:
    score_answers(store_with_golds)
    for command in ("show 0b", "compare 0a 0b", "predictions write 0b"):
        done = invoked(*command.split(), "--db", database)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("collector: run 0b222222 of pi-5 is left out of reports: ")
        assert spoilt in done.stderr and done.stderr.count("\n") == 1
    for command in ("score", "rebuild", "devices"):
        assert invoked(command, "--db", database).returncode == 0
    merged = invoked("merge", database, "--db", tmp_path / "all.db")
    assert merged.returncode == 1 and "7 records stored" in merged.stdout
    reason, ending = merged.stderr.splitlines()
    assert reason.startswith("run '0b222222' of 'pi-5' was not merged: ") and spoilt in reason
    assert ending == "collector: 1 run was not merged; all others were"
    report = json.loads(printed("report", "--format", "json", "--db", tmp_path / "all.db"))
    assert ([row["runs"] for row in report["rows"]], report["remarks"]) == ([1], [])


@pytest.mark.parametrize("spoilt", ["no manifest"], indirect=True)
def test_it_can_be_removed(spoilt: str, database: Path) -> None:
    assert printed("prune", "--run", "0b", "--yes", "--db", database) == "removed 1 run with 4 answers\n"
    assert json.loads(printed("report", "--format", "json", "--db", database))["remarks"] == []
    assert GOOD[:8] in printed("runs", "--db", database)


def test_the_answers_of_a_run_with_columns_are_not_checked_again(store: Store) -> None:
    for run_id, answers in ((GOOD, 4), (BAD, 4_000)):
        records = run_records([(f"q{n}", "x", 10.0) for n in range(answers)])
        for first in range(0, len(records), 500):
            take(store, batch(records[first : first + 500], run_id))

    def steps(run_id: str) -> int:
        """Count how many hundreds of steps SQLite needs to read a run."""
        taken: list[None] = []
        assert isinstance(store, SqliteStore)
        conn = store._db.conn
        conn.set_progress_handler(lambda: taken.append(None), 100)
        find_run(store, run_id)
        conn.set_progress_handler(None, 0)
        return len(taken)

    assert steps(BAD) > 100
    score_answers(store)
    assert steps(BAD) == pytest.approx(steps(GOOD), abs=2)
