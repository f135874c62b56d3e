import hashlib
import math
import re
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from collector.comparison.compare import compare
from collector.findings.comparison import Comparison
from collector.report.formats.render import render
from collector.report.papers.cards import Cards
from collector.report.papers.model_index import SQUAD, Known, model_index
from collector.report.papers.yaml_text import yaml_text
from collector.store.database import Store
from contract.bundle import Weights
from contract.codec import encode
from tests.collector.delivering import take
from tests.collector.factory import batch, device, manifest, run_records
from tests.collector.reports import HOSTILE, hostile, three_models
from tests.installed import module

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_SCALARS = st.one_of(
    _TEXTS, st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    return three_models(store_with_golds)


def models_of(comparison: Comparison) -> dict[str, Any]:
    found = yaml.safe_load(render(comparison, "model-index"))
    assert list(found) == ["model-index"]
    return {model["name"]: model["results"] for model in found["model-index"]}


def metrics_of(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    (result,) = results
    return {metric["name"]: metric for metric in result["metrics"]}


@given(st.dictionaries(_TEXTS, _VALUES, min_size=1, max_size=3))
def test_a_parser_reads_what_was_written(value: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


def test_the_hubs_own_library_reads_it_and_writes_the_same(comparison: Comparison) -> None:
    repocard_data = module("huggingface_hub.repocard_data")
    found = yaml.safe_load(render(comparison, "model-index"))["model-index"]
    assert found == model_index(comparison.rows, Known(comparison))
    for model in found:
        name, results = repocard_data.model_index_to_eval_results([model])
        assert name == model["name"]
        assert repocard_data.eval_results_to_model_index(name, results) == [model]


def test_it_has_the_numbers_of_the_rows_and_where_they_are_from(comparison: Comparison) -> None:
    row = next(r for r in comparison.rows if r.precision == "int8")
    found = metrics_of(models_of(comparison)["MiniLM-L6 int8"])
    on = "on Raspberry Pi 5 Model B, 4 cores"
    f1 = found[f"F1, %, {on}"]
    assert row.f1 is not None and row.drawn is not None
    assert (f1["type"], f1["value"]) == ("f1", round(row.f1, 1))
    low, high = row.intervals["f1"]
    assert f1["args"]["interval_95_percent"] == [round(low, 1), round(high, 1)]
    assert f1["args"]["interval_is_for"] == "questions like these 4"
    assert f1["args"]["machine"] == row.machine
    assert f1["args"]["processor"] == "Cortex-A76"
    assert "threads 4" in f1["args"]["settings"]
    assert "scenario single-stream" in f1["args"]["settings"], "not those of the runs under load"
    bundle = manifest("minilm-l6", "int8", weights=Weights(origin="adapter", source="s"))
    assert f1["args"]["bundle_sha256"] == hashlib.sha256(encode(bundle)).hexdigest()
    assert "interval_95_percent" not in found[f"p99 time per question, ms, {on}"]["args"], "4 are too few"
    speed_up = found[f"Speed-up, {on}"]
    assert (speed_up["value"], speed_up["args"]["over"]) == (40.0, "BERT-Large fp32")


def test_random_weights_have_no_accuracy(comparison: Comparison) -> None:
    found = metrics_of(models_of(comparison)["BERT-Large fp32"])
    assert {metric["type"] for metric in found.values()} == {"latency", "memory"}
    assert {metric["args"]["weights"] for metric in found.values()} == {"random"}


def test_a_withheld_accuracy_does_not_appear(store_with_golds: Store) -> None:
    trained = Weights(origin="adapter", source="s", training_articles=("Rivers",))
    take(store_with_golds, batch(run_records(bundle=manifest(weights=trained))))
    found = metrics_of(models_of(compare(store_with_golds))["MiniLM-L6 fp32"])
    assert {metric["type"] for metric in found.values()} == {"latency", "memory"}


def test_machines_are_metrics_of_one_model(store_with_golds: Store) -> None:
    for where in (device(), device("lap", "laptop", cpu_model="Xeon")):
        take(store_with_golds, batch(run_records(on=where), device_id=where.device_id))
    found = metrics_of(models_of(compare(store_with_golds))["MiniLM-L6 fp32"])
    assert {name.partition(", on ")[2] for name in found} == {
        "Laptop, Xeon, 4 cores",
        "Raspberry Pi 5 Model B, 4 cores",
    }


def test_a_speed_up_is_over_the_baseline_of_its_own_hardware_class(store_with_golds: Store) -> None:
    for where, models in (
        (device(), ("bert-large", "minilm-l6")),
        (device("b", "laptop"), ("distilbert", "minilm-l6")),
    ):
        for model in models:
            records = run_records(bundle=manifest(model), on=where)
            take(store_with_golds, batch(records, device_id=where.device_id))
    found = compare(store_with_golds)
    places = [msgspec.structs.replace(one.place, machine="PC") for one in found.baselines]
    alike = msgspec.structs.replace(
        found,
        rows=tuple(msgspec.structs.replace(row, machine="PC") for row in found.rows),
        baselines=tuple(
            msgspec.structs.replace(one, place=place)
            for one, place in zip(found.baselines, places, strict=True)
        ),
    )
    (result,) = models_of(alike)["MiniLM-L6 fp32"]
    over = [metric["args"]["over"] for metric in result["metrics"] if metric["type"] == "speedup"]
    assert sorted(over) == ["BERT-Large fp32", "DistilBERT fp32"]
    cards = Cards(alike)
    texts = [cards.card(row) for row in cards.rows if row.model == "minilm-l6"]
    assert sorted(re.findall(r"Speed-up over (\S+) fp32", "".join(texts))) == ["BERT-Large", "DistilBERT"]


@pytest.mark.parametrize(
    ("name", "count", "kind", "split"),
    [
        ("squad-validation-334-1", 334, SQUAD, None),
        ("dev-v1.1", 10_570, SQUAD, "validation"),
        ("my questions", 87_599, SQUAD, "train"),
        ("My questions!", 334, "my-questions", None),
        ("第一", 12, "questions", None),
    ],
)
def test_a_question_file_is_called_squad_only_if_it_is(
    comparison: Comparison, name: str, count: int, kind: str, split: str | None
) -> None:
    rows = tuple(msgspec.structs.replace(row, questions=name) for row in comparison.rows)
    files = tuple(msgspec.structs.replace(file, questions=count) for file in comparison.questions)
    (result,) = models_of(msgspec.structs.replace(comparison, rows=rows, questions=files))["MiniLM-L6 int8"]
    dataset = result["dataset"]
    assert (dataset["type"], dataset.get("split"), dataset["config"]) == (kind, split, name)
    assert dataset["args"] == {
        "format": "SQuAD v1.1",
        "sha256": rows[0].questions_sha256,
        "questions": count,
        "articles": 1,
    }


def test_an_attack_stays_text(store_with_golds: Store) -> None:
    attack = f"{HOSTILE}\n- !!python/object:os.system x\n--- &a *a"
    found = models_of(hostile(store_with_golds, attack))
    assert any("!!python" in name for name in found)
    assert all(math.isfinite(m["value"]) for results in found.values() for r in results for m in r["metrics"])
