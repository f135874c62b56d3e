"""What operators look at beside the report asks the database for what is there."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from collector.store.database import Store
from collector.store.opening import open_store_to_read
from collector.summaries.refresh import score_answers
from tests.collector.command import ROOT
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records
from tests.collector.reports import loaded
from tests.installed import module

DATASETTE = ROOT / "deploy" / "datasette" / "metadata.yaml"
GRAFANA = ROOT / "deploy" / "grafana" / "distilbench.json"
NOON: Final = 1_795_521_600
"""2026-11-24T12:00:00Z, when the runs of the tests began."""
WIDTH: Final = 24
PANELS: Final = {"stat", "barchart", "timeseries", "table"}


pytestmark = pytest.mark.sqlite


@pytest.fixture
def reading(store_with_golds: Store, database: Path) -> Store:
    """One single-stream run, and one of each other scenario."""
    take(store_with_golds, batch(run_records()))
    loaded(store_with_golds)
    score_answers(store_with_golds)
    return open_store_to_read(database)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(GRAFANA.read_text())["panels"]
    return found


def asked(panel: dict[str, Any], start: int = NOON - 60, stop: int = NOON + 3600) -> str:
    """The query of a panel in a range of time, which Grafana gives in milliseconds."""
    (target,) = panel["targets"]
    assert target["rawQueryText"] == target["queryText"]
    sql: str = target["queryText"]
    return sql.replace("$__from", str(1000 * start)).replace("$__to", str(1000 * stop))


def test_every_panel_of_grafana_gets_an_answer(reading: Store) -> None:
    with reading:
        answers = {panel["title"]: reading.query(asked(panel)) for panel in panels()}
    assert {title for title, (_, rows) in answers.items() if not rows} == set()
    assert answers["Answers"] == (("answers",), [(4 + 4 + 4 + 20 + 4,)])
    assert answers["Mean time per question"][1] == [
        ("raspberry-pi-5, minilm-l6 fp32", (10 + 12 + 14 + 30) / 4)
    ]
    assert len(answers["F1 and Exact Match"][1]) == 1
    assert answers["Temperature of each device"][1] == [(NOON, "pi-5", 69.0)]
    runs = [dict(zip(answers["Runs"][0], row, strict=True)) for row in answers["Runs"][1]]
    assert {run["scenario"]: run["questions_per_second"] for run in runs if run["questions_per_second"]} == {
        "offline": 81.25
    }
    assert [run["valid_per_second"] for run in runs if run["scenario"] == "server"] == [4.0]


def test_panels_keep_the_rules_of_grafana_and_its_plugin(reading: Store) -> None:
    """What Grafana and frser-sqlite-datasource make of a dashboard, as far as their source says."""
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    with reading:
        for panel in found:
            assert panel["type"] in PANELS
            assert panel["datasource"] == panel["targets"][0]["datasource"]
            assert panel["datasource"] == {"type": "frser-sqlite-datasource", "uid": "${source}"}
            columns, rows = reading.query(asked(panel))
            for column in range(len(columns)):
                # The plugin takes a column's type from its first value, and makes the others fit.
                assert len({type(row[column]) for row in rows} - {type(None)}) <= 1, columns[column]
            target = panel["targets"][0]
            if panel["type"] == "timeseries":
                assert (target["queryType"], target["timeColumns"]) == ("time series", ["time"])
                assert columns[0] == "time"
                assert [row[0] for row in rows] == sorted(row[0] for row in rows)
            else:
                assert (target["queryType"], target["timeColumns"]) == ("table", [])
            if panel["type"] == "barchart":
                assert panel["options"]["xField"] == columns[0]
                assert all(isinstance(row[0], str) for row in rows)


def test_a_range_of_time_is_kept(reading: Store) -> None:
    (panel,) = (panel for panel in panels() if panel["type"] == "timeseries")
    with reading:
        assert reading.query(asked(panel, NOON + 3600, NOON + 7200))[1] == []


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        place = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not place & taken
        assert at["x"] + at["w"] <= WIDTH
        taken |= place


def test_every_query_of_datasette_runs(reading: Store) -> None:
    described = module("yaml").safe_load(DATASETTE.read_text())["databases"]["results-copy"]
    with reading:
        answers = {
            name: reading.query(re.sub(r":question_id\b", "'q1'", query["sql"]))
            for name, query in described["queries"].items()
        }
        for table, settings in described["tables"].items():
            columns, _ = reading.query(f"SELECT * FROM {table} LIMIT 1")
            named = {*settings.get("facets", ()), settings.get("sort"), settings.get("sort_desc")} - {None}
            assert named <= set(columns), table
    assert answers["accuracy"][1] == [("minilm-l6", "fp32", "raspberry-pi-5", 4, 50.0, 79.17)]
    assert answers["one_question"][1][0][4:6] == ("the North Sea", "the North Sea")
    assert [(row[0], row[2], *row[4:7]) for row in answers["under_load"][1]] == [
        ("loadgen", "minilm-l6", None, None, None),
        ("offline", "minilm-l6", 81.25, None, None),
        ("server", "minilm-l6", None, 4.0, None),
        ("sustained", "minilm-l6", None, None, 0.1),
    ]
    assert [row[4:7] for row in answers["held_back"][1]] == [("sustained", 20, 17)]
