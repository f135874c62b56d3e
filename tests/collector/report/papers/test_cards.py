import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from collector.findings.accuracy import Label
from collector.findings.comparison import Comparison, Row, name_of, place_of
from collector.report.columns import COLUMNS
from collector.report.formats.render import render
from collector.report.page import DASH
from collector.report.papers.cards import Cards, write_cards
from collector.store.database import Store
from tests.collector.reports import hostile, three_models
from tests.installed import module


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    return three_models(store_with_golds)


def row_of(comparison: Comparison, precision: str) -> Row:
    return next(row for row in comparison.rows if (row.model, row.precision) == ("minilm-l6", precision))


def card_of(comparison: Comparison, row: Row) -> str:
    return Cards(comparison).card(row)


def facts(text: str) -> dict[str, list[str]]:
    """The first cell of each line of the tables, and the others."""
    lines = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in text.splitlines() if line.startswith("| ")]
    rows = [[html.unescape(re.sub(r"\\(.)", r"\1", cell)) for cell in line] for line in lines]
    return {name: [re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹ ]+$", "", cell) for cell in cells] for name, *cells in rows}


def test_a_card_has_the_numbers_of_the_report(comparison: Comparison) -> None:
    row = row_of(comparison, "int8")
    columns = {column.key: column.text(row) for column in COLUMNS}
    found = facts(card_of(comparison, row))
    assert found["F1, %"] == [columns["f1"], columns["f1_interval"]]
    assert found["p50 time per question, ms"] == [columns["p50_ms"], DASH]
    assert found["Speed-up over BERT-Large fp32"] == [columns["speed_up"], columns["speed_up_interval"]]
    assert found["Peak memory, MB"] == [columns["peak_rss_bytes"], DASH]
    assert found["Time of the first question, ms"] == ["40.0", DASH]
    assert found["Energy per question, J"] == [DASH, DASH]
    (settings,) = found["settings"]
    assert "threads 4" in settings and "scenario single-stream" in settings
    source = next(p for p in comparison.provenance if p.row.precision == "int8")
    assert found["bundle sha256"] == [source.bundle_sha256]
    assert (found["sha256"], found["devices"]) == ([row.questions_sha256], ["pi-5"])
    assert row.notes["joules_per_question"][0] in card_of(comparison, row)


def test_its_head_is_what_the_hub_reads(comparison: Comparison, tmp_path: Path) -> None:
    repocard = module("huggingface_hub.repocard")
    row = row_of(comparison, "int8")
    path = tmp_path / "README.md"
    path.write_text(card_of(comparison, row))
    head = repocard.ModelCard.load(path).data
    assert (head.pipeline_tag, head.model_name) == ("question-answering", "MiniLM-L6 int8")
    values = {result.metric_name: result.metric_value for result in head.eval_results}
    (all_models,) = [
        model
        for model in yaml.safe_load(render(comparison, "model-index"))["model-index"]
        if model["name"] == "MiniLM-L6 int8"
    ]
    assert values == {m["name"]: m["value"] for m in all_models["results"][0]["metrics"]}


def test_random_weights_have_a_card_without_an_accuracy(comparison: Comparison) -> None:
    row = next(row for row in comparison.rows if row.model == "bert-large")
    found = facts(card_of(comparison, row))
    assert found["F1, %"] == found["Exact Match, %"] == [DASH, DASH]
    assert found["weights"] == ["random: s"]
    assert "random weights" in card_of(comparison, row)


def test_each_model_on_each_machine_has_a_file(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("kept")
    written = write_cards(comparison, tmp_path)
    assert [path.name for path in written] == [
        "bert-large-fp32--raspberry-pi-5-model-b-4-cores--rivers.md",
        "minilm-l6-fp32--raspberry-pi-5-model-b-4-cores--rivers.md",
        "minilm-l6-int8--raspberry-pi-5-model-b-4-cores--rivers.md",
    ]
    assert written == write_cards(comparison, tmp_path)
    assert (tmp_path / "mine.md").read_text() == "kept"


def test_models_with_titles_that_are_alike_have_files_of_their_own(
    comparison: Comparison, tmp_path: Path
) -> None:
    row = row_of(comparison, "int8")
    titles = ("MiniLM L6", "MiniLM-L6", "minilm_l6", "MiniLM-L6!", "MiniLM-L6!")
    rows = tuple(replace(row, title=title, model=f"m{n}") for n, title in enumerate(titles))
    alike = replace(comparison, rows=rows)
    written = write_cards(alike, tmp_path)
    assert len(set(written)) == len(list(tmp_path.glob("*.md"))) == len(titles)
    by_title = {path.read_text().partition("\n# ")[2].partition("\n")[0]: path for path in written}
    turned = write_cards(replace(alike, rows=rows[::-1]), tmp_path)
    assert written == turned[::-1], "a card is written to the same file in any order"
    assert len(by_title) == len(titles)


def test_a_label_that_others_share_says_so(comparison: Comparison) -> None:
    first, second = (replace(row, best_for=("real time",)) for row in comparison.rows[1:])
    names = (name_of(first), name_of(second))
    for shared, text in ((names, "Best for: real time (one of 2)."), (names[:1], "Best for: real time.")):
        label = Label(place=place_of(first), label="real time", rows=shared)
        found = card_of(replace(comparison, rows=(first, second), labels=(label,)), first)
        assert text in html.unescape(found.replace("\\", ""))


class Counted(tuple[Row, ...]):
    """Rows that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[Row]:
        Counted.times += 1
        return super().__iter__()


def test_the_rows_are_not_gone_through_for_each_card(comparison: Comparison, tmp_path: Path) -> None:
    row = row_of(comparison, "int8")
    times = []
    for count in (2, 20):
        rows = Counted(replace(row, model=f"m{n}", title=f"M{n}") for n in range(count))
        Counted.times = 0
        write_cards(replace(comparison, rows=rows), tmp_path)
        times.append(Counted.times)
    assert times[0] == times[1]


def test_an_attack_stays_text(store_with_golds: Store) -> None:
    attack = hostile(store_with_golds)
    for row in attack.rows:
        text = card_of(attack, row)
        _, head, body = text.split("---\n", 2)
        assert yaml.safe_load(head)["model-index"]
        assert "<script" not in body and "\x1b" not in text and "\u202e" not in text
