"""The demo's students: what their folders promise, and that they answer."""

from pathlib import Path
from statistics import fmean

import pytest

from agent.bundles.bundle import describe
from agent.planning.plan import settings_for
from agent.reading.reader import Reader
from contract import squad_metrics
from contract.bundle import decode_manifest
from demo.__main__ import QUESTIONS, READER, STUDENTS
from export.building.build import BuildRequest, build
from export.distillation import windows as data
from export.models import adapter, resolve, training_record
from export.models import sources as weights

LAYERS = {"minilm-l3": 3, "minilm-l2": 2}
LARGEST_BYTES = 6_000_000
STRIDE = 4
"""One of this many questions is asked."""
FLOOR = {"minilm-l3": 28.0, "minilm-l2": 18.0}
"""F1 in percent, well below what was measured on all questions."""


def test_there_is_a_folder_for_each_student() -> None:
    assert {path.name for path in STUDENTS.iterdir()} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_a_student_is_small_and_says_where_it_comes_from(name: str) -> None:
    folder = STUDENTS / name
    assert (folder / "adapter_model.safetensors").stat().st_size <= LARGEST_BYTES
    assert adapter.base_name(folder) == adapter.base_name(READER)
    made = training_record.read(folder)
    assert made is not None
    assert made.teacher.revision == weights.from_folder(READER).weights.revision
    assert (made.architecture.layers, len(made.layers)) == (LAYERS[name], LAYERS[name])
    used = adapter.used_layers(folder, made.teacher_architecture.layers)
    assert used == tuple(layer - 1 for layer in made.layers)
    named = resolve.find(str(folder)).model
    assert (named.name, named.config["num_hidden_layers"]) == (name, LAYERS[name])


@pytest.mark.parametrize("name", LAYERS)
def test_no_student_and_no_teacher_has_seen_the_demos_questions(name: str) -> None:
    made = training_record.read(STUDENTS / name)
    assert made is not None
    stated = set(weights.from_folder(STUDENTS / name).weights.training_articles)
    of_teacher = set(weights.from_folder(READER).weights.training_articles)
    assert of_teacher | set(made.data.articles) == stated
    assert not stated & {question.title for question in data.read(QUESTIONS)}
    assert not set(made.data.articles) & set(made.data.held_out_articles)


@pytest.mark.proof
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", LAYERS)
def test_a_student_is_built_verified_and_answers(name: str, tmp_path: Path) -> None:
    named = resolve.find(str(STUDENTS / name))
    asked = BuildRequest(model=named.model, weights=str(named.weights), verify=16)
    (bundle,) = build(asked, tmp_path, lambda line: None)
    manifest = decode_manifest((bundle / "manifest.json").read_bytes())
    assert manifest.architecture.layers == LAYERS[name]
    assert manifest.weights.origin == "adapter"
    assert manifest.distillation.startswith("distilled from reader on ")

    described = describe(bundle)
    reader = Reader(described, settings_for(described, threads=1))
    scores = [
        squad_metrics.score(reader.read(q.question, q.context).text, (gold.text for gold in q.golds)).f1
        for q in data.read(QUESTIONS)[::STRIDE]
    ]
    assert 100 * fmean(scores) >= FLOOR[name]
