"""What operators look at beside the report asks the database for what is there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from collector.scoring import score_answers
from collector.store import Store
from tests.collector.command import ROOT
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records

DATASETTE = ROOT / "deploy" / "datasette" / "metadata.yaml"
GRAFANA = ROOT / "deploy" / "grafana" / "distilbench.json"


@pytest.fixture
def reading(store_with_golds: Store, database: Path) -> Store:
    take(store_with_golds, batch(run_records()))
    score_answers(store_with_golds)
    return Store.open_to_read(database)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(GRAFANA.read_text())["panels"]
    return found


def test_every_panel_of_grafana_gets_an_answer(reading: Store) -> None:
    with reading:
        answers = {panel["title"]: reading.query(panel["targets"][0]["rawQueryText"]) for panel in panels()}
    assert {title for title, (_, rows) in answers.items() if not rows} == set()
    assert answers["Answers"] == (("answers",), [(4,)])
    assert answers["Temperature over the latest run of each device"][1] == [(5.0, "pi-5", 55.0)]


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        place = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not place & taken
        taken |= place


def test_every_query_of_datasette_runs(reading: Store) -> None:
    yaml = pytest.importorskip("yaml")
    described = yaml.safe_load(DATASETTE.read_text())["databases"]["results-copy"]
    with reading:
        answers = {
            name: reading.query(re.sub(r":question_id\b", "'q1'", query["sql"]))
            for name, query in described["queries"].items()
        }
        for table in described["tables"]:
            assert reading.query(f"SELECT count(*) FROM {table}")
    assert answers["accuracy"][1] == [("minilm-l6", "fp32", "raspberry-pi-5", 4, 50.0, 79.17)]
    assert answers["one_question"][1][0][3:5] == ("the North Sea", "the North Sea")
    assert answers["held_back"][1] == []
