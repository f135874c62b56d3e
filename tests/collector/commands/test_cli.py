import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.intake.results_file import ingest_file
from collector.store.opening import open_store
from contract.messages import encode_message
from tests.collector.command import ROOT, collector, invoked, printed, said
from tests.collector.factory import batch, run_records
from tests.cpu_time import relative_cpu_time

RUN = "0" * 31 + "1"


@pytest.fixture
def results_file(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    good = encode_message(batch(run_records(), RUN))
    path.write_bytes(b"\n".join([good, b"{bad\x1b[31m", b"", good]) + b"\n")
    return path


def test_from_a_file_to_a_report(database: Path, results_file: Path, questions_file: Path) -> None:
    db = {"DISTILBENCH_DB": str(database)}
    done = collector("ingest", results_file, **db)
    assert (done.returncode, done.stdout) == (
        1,
        f"{results_file}: 7 records stored, 7 known before, 1 message rejected\n",
    )
    assert "0 records stored, 14 known before" in collector("ingest", results_file, **db).stdout
    assert said("questions", "add", questions_file, **db) == "added rivers, 4 questions, 5 gold answers\n"
    assert said("score", **db) == "EM and F1: nothing was left to score\n"  # whatever brings in, scores
    (row,) = json.loads(said("report", "--format", "json", **db))["rows"]
    assert (row["exact_match"], row["p50_ms"]) == (50.0, 12.0)
    assert "MiniLM-L6" in said("report", **db)
    assert RUN in said("runs", "--json", **db)
    rejected = said("rejected", **db)
    assert "results.jsonl:2" in rejected
    assert "\x1b" not in rejected


def test_a_report_scores_what_is_not_scored_and_can_be_written_to_a_file(
    database: Path, results_file: Path, questions_file: Path, tmp_path: Path
) -> None:
    invoked("ingest", results_file, "--db", database)
    printed("questions", "add", questions_file, "--db", database)
    target = tmp_path / "report.csv"
    done = invoked("report", "--format", "csv", "--to", target, "--db", database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {target}\n")
    assert ",50.0," in target.read_text()
    target.rename(tmp_path / "kept.csv")
    target.symlink_to(tmp_path / "kept.csv")
    (tmp_path / "kept.csv").chmod(0o640)
    assert invoked("report", "--to", target, "--db", database).returncode == 0
    assert target.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    os.mkfifo(tmp_path / "pipe")
    done = invoked("report", "--to", tmp_path / "pipe", "--db", database)
    assert (done.returncode, "not a plain file" in done.stderr) == (1, True)
    before = database.read_bytes()
    done = invoked("report", "--format", "json", "--to", database, "--db", database)
    assert (done.returncode, "it is a database, which is not replaced" in done.stderr) == (1, True)
    assert database.read_bytes() == before


def test_a_database_and_its_locks_are_private(database: Path, results_file: Path) -> None:
    with open_store(database, create=True) as store:
        ingest_file(store, results_file)
        files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database.parent.glob("*.db*")}
    assert files.keys() >= {database.name, f"{database.name}-wal", f"{database.name}-shm"}
    assert set(files.values()) == {0o600}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (lambda tmp: ["runs", "--db", tmp / "none"], "there is no database"),
        (lambda tmp: ["report", "--db", ROOT / "pyproject.toml"], "is not a distilbench database"),
        (lambda tmp: ["ingest", tmp / "none", "--db", tmp / "r.db"], "cannot be read: No such file"),
        (lambda tmp: ["ingest", tmp, "--db", tmp / "r.db"], "is a directory"),
        (lambda tmp: ["questions", "add", ROOT / "pyproject.toml", "--db", tmp / "r.db"], "question file"),
        (lambda tmp: ["serve", "--broker", "mqtt://u:canary@h", "--db", tmp / "r.db"], "holds a password"),
        (lambda tmp: ["serve", "--broker", "mqtt://h", "--db", tmp / "no" / "r.db"], "No such file"),
        (lambda tmp: ["serve", "--broker", "mqtt://h"], "--db"),
        (lambda tmp: ["serve", "--db", tmp / "r.db"], "--broker URL or --embedded-broker"),
        (lambda tmp: ["score", "--layers", "6", "--db", tmp / "r.db"], "go together"),
        (lambda tmp: ["report", "--format", "pdf", "--db", tmp / "r.db"], "'pdf'"),
    ],
)
def test_wrong_input_is_one_sentence(
    tmp_path: Path, arguments: Callable[[Path], list[str | Path]], sentence: str
) -> None:
    done = invoked(*arguments(tmp_path))
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stderr
    if done.returncode == 1:
        assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_has_seen_enough_is_no_error(database: Path, results_file: Path) -> None:
    invoked("ingest", results_file, "--db", database)
    command = [sys.executable, "-m", "collector", "report", "--format", "html", "--db", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(150) == 0
        assert process.stderr.read() == b""


def test_help_answers_at_once() -> None:
    assert "report" in printed("--help")
    assert relative_cpu_time([sys.executable, "-m", "collector", "--help"]) < 8
