"""`--db postgresql://…` on the command line."""

import json
import sys
from pathlib import Path

import pytest

from collector.commands.config import CONFIG
from collector.doctor.machine import examine_here
from collector.errors import BadInput
from collector.scoring.question_sets import add_questions
from collector.store.opening import open_store
from commandline.finding import Finding
from tests.collector.command import invoked, printed
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records
from tests.postgres import running

RUN = "0a" * 16


def test_without_psycopg_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "collector.store.postgres.postgres_store", None)
    with pytest.raises(BadInput, match=r"needs the package psycopg; install it with: .*\[postgres\]"):
        open_store("postgresql://localhost/results")


def test_a_configuration_may_name_it(tmp_path: Path) -> None:
    file = tmp_path / "collector.toml"
    file.write_text('db = "postgresql://localhost/results"\n')
    assert CONFIG.read(file)["db"] == "postgresql://localhost/results"


@pytest.mark.postgres
def test_commands_take_it(shared_database: str, questions_file: Path, tmp_path: Path) -> None:
    with open_store(shared_database) as store:
        add_questions(store, questions_file)
        take(store, batch(run_records(), RUN))
    (run,) = json.loads(printed("runs", "--json", "--db", shared_database))
    assert run["run"] == RUN
    assert json.loads(
        printed("query", "SELECT count(*) AS n FROM v_answers", "--json", "--db", shared_database)
    )
    assert json.loads(printed("rejected", "--json", "--db", shared_database)) == []
    report = tmp_path / "report.json"
    assert invoked("report", "--to", report, "--db", shared_database).returncode == 0
    assert json.loads(report.read_bytes())["rows"]
    file = tmp_path / "file.db"
    with open_store(file, create=True) as store:
        take(store, batch(run_records(), "0b" * 16))
    merged = invoked("merge", file, "--db", shared_database)
    assert merged.returncode == 0 and "1 run, 7 records stored" in merged.stdout
    assert "removed 1 run" in printed("prune", "--run", "0a", "--yes", "--db", shared_database)
    (run,) = json.loads(printed("runs", "--json", "--db", shared_database))
    assert run["run"] == "0b" * 16


@pytest.mark.postgres
def test_doctor_examines_it(shared_database: str) -> None:
    findings = {finding.about: finding for finding in examine_here(shared_database)}
    assert findings["database"].level == "ok" and "holds 0 runs" in findings["database"].what
    assert findings["durability"].level == "fail", "the server of these tests does not wait for its disk"
    away = {finding.about: finding for finding in examine_here("postgresql://127.0.0.1:1/results")}
    assert away["database"].level == "fail" and "cannot be used now" in away["database"].what


@pytest.mark.postgres
def test_a_password_in_it_is_one_sentence() -> None:
    done = invoked("runs", "--db", "postgresql://me:secret@localhost/results")
    assert done.returncode == 1 and "secret" not in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("names", "level"), [("standby", "ok"), ("FIRST 1 (standby, b)", "ok"), ("ANY 2 (standby, b)", "fail")]
)
def test_doctor_knows_how_many_standbys_have_to_confirm(names: str, level: str) -> None:
    with running() as primary, primary.standby():
        with open_store(primary.url("postgres"), create=True):
            pass
        primary.execute("ALTER SYSTEM SET fsync = on")
        primary.wait_for_standby(names)
        found: dict[str, Finding] = {}
        while "durability" not in found or repr(names) not in found["durability"].what:  # until it is loaded
            found = {finding.about: finding for finding in examine_here(primary.url("postgres"))}
        assert found["durability"].level == level, found["durability"]
