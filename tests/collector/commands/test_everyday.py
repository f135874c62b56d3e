import csv
import io
import json
import re
from pathlib import Path

import pytest

from collector.errors import BadInput
from collector.store.database import Store
from collector.store.opening import open_store_to_read
from collector.summaries.refresh import score_answers
from contract.bundle import Weights
from tests.collector.command import collector, invoked, printed, shown
from tests.collector.delivering import take
from tests.collector.factory import NOON, batch, device, manifest, run_records

FIRST, SECOND, OTHER = "0a" + "1" * 30, "0a" + "2" * 30, "0b" + "3" * 30
HOSTILE = "=1+1\x1b[31m\u202e"


@pytest.fixture
def filled(store_with_golds: Store, database: Path) -> Path:
    take(store_with_golds, batch(run_records(), FIRST))
    take(store_with_golds, batch(run_records(bundle=manifest(precision="int8")), SECOND))
    laptop = device("laptop", "laptop", model=HOSTILE)
    noise = manifest("bert-large", weights=Weights(origin="random", source="seed 1"))
    take(store_with_golds, batch(run_records(bundle=noise, on=laptop), OTHER, "laptop"))
    score_answers(store_with_golds)
    return database


def test_lists_are_for_people_and_in_full_for_programs(filled: Path) -> None:
    db = {"DISTILBENCH_DB": str(filled)}
    runs = json.loads(printed("runs", "--json", **db))
    assert [run["run"] for run in runs] == [OTHER, SECOND, FIRST], "the newest first"
    assert [run["run"] for run in json.loads(printed("runs", "--json", "--last", "2", **db))] == [
        OTHER,
        SECOND,
    ]
    assert (runs[0]["answers"], runs[0]["asked"], runs[0]["state"], runs[0]["reason"]) == (
        4,
        4,
        "complete",
        None,
    )
    line = printed("runs", **db).splitlines()[-1].split()
    assert (line[0], " ".join(line[-2:])) == (FIRST[:8], NOON[:16].replace("T", " "))
    devices = json.loads(printed("devices", "--json", **db))
    assert [(d["device_id"], d["runs"]) for d in devices] == [("laptop", 1), ("pi-5", 2)]
    assert "=1+1[31m" in printed("devices", **db)
    (questions,) = json.loads(printed("questions", "list", "--json", **db))
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d ", printed("questions", "list", **db))
    assert (questions["name"], questions["questions"], questions["golds"], questions["runs"]) == (
        "rivers",
        4,
        5,
        3,
    )
    assert json.loads(printed("rejected", "--json", **db)) == []


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("command", [("runs",), ("devices",), ("questions", "list"), ("show", "latest")])
def test_a_list_fits_the_terminal(command: tuple[str, ...], columns: int, filled: Path) -> None:
    seen = shown(*command, columns=columns, NO_COLOR="1", DISTILBENCH_DB=str(filled))
    assert max(map(len, seen.splitlines())) <= columns
    for whole in {
        "runs": (FIRST[:8], "minilm-l6 int8", "complete"),
        "devices": ("laptop", "pi-5"),
        "questions": ("rivers",),
        "show": (OTHER,),
    }[command[0]]:
        assert whole in seen, "words are not broken"


def test_a_run_is_shown_by_the_beginning_of_its_id(filled: Path) -> None:
    db = {"DISTILBENCH_DB": str(filled)}
    detail = json.loads(printed("show", "0a1", "--json", **db))
    assert (detail["run_id"], detail["exact_match"]) == (FIRST, 50.0)
    assert (detail["times"]["p50_ms"], detail["times"]["p90_ms"], detail["times"]["count"]) == (12.0, 30.0, 4)
    assert detail["telemetry"]["highest_celsius"] == 55.0
    assert [a["question_id"] for a in detail["slowest"]] == ["q4", "q3", "q2", "q1"]
    assert [(a["question_id"], a["gold"]) for a in detail["worst"]] == [
        ("q3", "Dresden and Hamburg"),
        ("q2", "1,094 km"),
    ]
    page = printed("show", "0a1", **db)
    for text in ("50.0 %", "p50 12.0 ms", "peak memory", "Where does the Elbe end?", detail["bundle_sha256"]):
        assert text in page
    assert "\x1b" not in printed("show", "0b", **db)


def test_random_weights_show_no_accuracy(filled: Path) -> None:
    detail = json.loads(printed("show", "0b", "--json", "--db", filled))
    assert (detail["exact_match"], detail["f1"], detail["worst"]) == (None, None, [])
    assert "random weights" in detail["accuracy_withheld"]


@pytest.mark.parametrize(
    ("run", "sentence"), [("0a", "several runs begin"), ("ff", "no run"), ("", "no run")]
)
def test_a_run_that_is_not_one_is_one_sentence(filled: Path, run: str, sentence: str) -> None:
    done = invoked("show", run, "--db", filled)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr


def test_no_colour_where_it_is_not_wanted(filled: Path) -> None:
    arguments = ("show", "0a1", "--db", filled)
    assert "\x1b[1m" in shown(*arguments, NO_COLOR="")
    assert "\x1b" not in shown(*arguments, NO_COLOR="1")
    assert "\x1b" not in printed(*arguments)


def test_a_query_answers_in_three_formats(filled: Path) -> None:
    sql = "SELECT device_id, '=1+1' AS f, NULL AS gap, x'00ff' AS raw FROM v_devices ORDER BY 1"
    rows = json.loads(printed("query", sql, "--format", "json", "--db", filled))
    assert rows[0] == {"device_id": "laptop", "f": "=1+1", "gap": None, "raw": "00ff"}
    first, _ = csv.DictReader(io.StringIO(printed("query", sql, "--format", "csv", "--db", filled)))
    assert first == {"device_id": "laptop", "f": "'=1+1", "gap": "", "raw": "00ff"}
    assert "laptop" in printed("query", sql, "--db", filled)


def test_a_query_prints_values_as_they_are(filled: Path) -> None:
    sql = "SELECT 1234567.891 AS p50_ms, 99.999 AS b, 0.1 + 0.2 AS c, 12345678 AS d, NULL AS e, 'x' AS f"
    head, row = printed("query", sql, "--db", filled).splitlines()
    assert head.split() == ["p50_ms", "b", "c", "d", "e", "f"]
    assert row.split() == ["1234567.891", "99.999", "0.30000000000000004", "12345678", "x"]
    csv_row = printed("query", sql, "--format", "csv", "--db", filled).splitlines()[1]
    assert csv_row == "1234567.891,99.999,0.30000000000000004,12345678,,x"


def test_a_query_that_writes_is_one_sentence(filled: Path) -> None:
    done = invoked("query", "DELETE FROM runs", "--db", filled)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "collector: SQL 'DELETE FROM runs' fails: not authorized\n"


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH DATABASE 'evil.db' AS evil",
        "PRAGMA journal_mode = DELETE",
        "CREATE TEMP TABLE t (x)",
        "SELECT 1; DELETE FROM runs",
        "VACUUM INTO 'evil.db'",
        "SELECT load_extension('evil')",
        "SELECT nonsense",
    ],
)
def test_a_query_only_reads(
    store: Store, database: Path, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store_to_read(database) as reading, pytest.raises(BadInput, match=re.escape(sql)):
        reading.query(sql)
    assert not Path("evil.db").exists()
    assert store.value("SELECT count(*) FROM identity") == 1


def test_the_shell_completes_commands() -> None:
    words = {"COMP_WORDS": "collector sh", "COMP_CWORD": "1", "_COLLECTOR_COMPLETE": "bash_complete"}
    done = collector(**words)
    assert "plain,show" in done.stdout


def test_the_newest_runs_have_names(filled: Path) -> None:
    db = {"DISTILBENCH_DB": str(filled)}

    def chosen(name: str) -> list[str]:
        return [run["run"] for run in json.loads(printed("runs", "--json", "--run", name, **db))]

    assert chosen("latest") == [OTHER]
    assert json.loads(printed("show", "latest", "--json", **db))["run_id"] == OTHER
    done = invoked("show", "previous", **db)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no run before the latest one that is like it" in done.stderr
    assert invoked("runs", "--run", "previous", **db).returncode == 1


def test_previous_measured_the_same_as_latest(store_with_golds: Store, database: Path) -> None:
    for run, precision in ((FIRST, "fp32"), (SECOND, "int8"), (OTHER, "fp32")):
        take(store_with_golds, batch(run_records(bundle=manifest(precision=precision)), run))
    db = {"DISTILBENCH_DB": str(database)}
    found = json.loads(printed("compare", "previous", "latest", "--json", **db))
    assert (found["before"], found["after"]) == (FIRST, OTHER)
    assert json.loads(printed("runs", "--json", "--run", "previous", **db))[0]["run"] == FIRST


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("report.html", "<!doctype html>"),
        ("report.HTM", "<!doctype html>"),
        ("report.md", "#"),
        ("report.csv", "hardware_class,"),
        ("report.json", "{"),
        ("report.parquet", "PAR1"),
        ("report", ""),
    ],
)
def test_a_files_name_says_its_format(name: str, start: str, filled: Path, tmp_path: Path) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    done = invoked("report", "--to", tmp_path / name, "--db", filled)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name).read_bytes().lower().startswith(start.lower().encode())


def test_json_has_one_spelling(filled: Path) -> None:
    both = [
        json.loads(printed("report", *form, "--db", filled)) for form in (("--json",), ("--format", "json"))
    ]
    assert both[0]["rows"] == both[1]["rows"]
    assert json.loads(printed("query", "SELECT 1 AS one", "--json", "--db", filled)) == [{"one": 1}]


def test_open_writes_the_report_and_calls_the_browser(filled: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/opened\n')
    browser.chmod(0o755)
    target = tmp_path / "my report.html"
    done = collector("open", "--to", target, "--db", filled, BROWSER=str(browser))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {target}\n")
    assert target.read_text().lower().startswith("<!doctype html>")
    assert (tmp_path / "opened").read_text().strip() == target.as_uri()


def test_open_without_a_browser_names_the_file(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    done = collector("open", "--to", target, "--db", filled, BROWSER="/bin/false", PATH="", DISPLAY="")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no browser can be opened here: open '{target}' in one" in done.stderr
    assert target.exists()


def test_runs_are_chosen_by_name(filled: Path) -> None:
    db = {"DISTILBENCH_DB": str(filled)}
    assert [run["run"] for run in json.loads(printed("runs", "--json", "--device", "laptop", **db))] == [
        OTHER
    ]
    chosen = json.loads(printed("runs", "--json", "--precision", "int8", "--settings", "threads=4", **db))
    assert [run["run"] for run in chosen] == [SECOND]
    (only,) = json.loads(printed("devices", "--json", "--exclude", "0b", **db))
    assert (only["device_id"], only["machine"]) == ("pi-5", "Raspberry Pi 5 Model B, 4 cores")
    report = json.loads(
        printed("report", "--format", "json", "--hardware", "raspberry-pi-5-model-b-4-cores", **db)
    )
    assert {row["device_id"] for row in report["traces"]} == {"pi-5"}
    by_device = json.loads(
        printed("report", "--format", "json", "--by", "device", "--model", "minilm-l6", **db)
    )
    assert {row["machine"] for row in by_device["rows"]} == {"pi-5: Raspberry Pi 5 Model B, 4 cores"}
    done = invoked("report", "--model", "minilm", **db)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "collector: there is no model 'minilm'; the nearest is 'minilm-l6'\n"
