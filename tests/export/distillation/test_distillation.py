"""Tests distillation with tiny readers: its results, and how it resumes after a kill."""

import io
import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import torch

from contract.bundle import decode_manifest
from contract.questions import Gold, Question
from export.answering.inference import Cutter
from export.building.build import BuildRequest, build
from export.distillation import load as sources
from export.distillation import run as distil
from export.distillation import shapes
from export.distillation import windows as data
from export.distillation.evaluation import Accuracy
from export.distillation.hidden_states import NetworkOutputs, WindowBatch
from export.distillation.request import DistilRequest
from export.distillation.training import device, objective, progress
from export.distillation.training.schedule import learning_rate
from export.errors import BadInput, StorageUnavailable, TrainingDiverged
from export.models import resolve as names
from export.models import sources as weights
from export.models import training_record as record
from export.models.training_record import TrainingRecord, TrainingSettings
from tests.export.tiny_models import TINY

SAMPLE = Path(__file__).parent.parent.parent.parent / "demo" / "sample-questions.json"


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT with random weights as a transformers folder: good enough to teach in these tests."""
    from tokenizers.implementations import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import BertConfig, BertForQuestionAnswering, BertTokenizerFast

    folder = tmp_path_factory.mktemp("teachers") / "tiny"
    pieces = BertWordPieceTokenizer()
    pieces.train_from_iterator([q.context for q in data.read(SAMPLE)], vocab_size=600, show_progress=False)
    sep, cls = ((token, pieces.token_to_id(token)) for token in ("[SEP]", "[CLS]"))
    pieces._tokenizer.post_processor = BertProcessing(sep, cls)
    BertTokenizerFast(tokenizer_object=pieces._tokenizer).save_pretrained(folder)  # type: ignore[no-untyped-call]  # untyped there
    arguments = {key: value for key, value in TINY.config.items() if key != "model_type"}
    torch.manual_seed(3)
    config = BertConfig(**{**arguments, "vocab_size": 600})  # type: ignore[no-untyped-call]  # as above
    network = BertForQuestionAnswering(config)  # type: ignore[no-untyped-call]  # as above
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)  # so that its answers are not all equally likely
    network.save_pretrained(folder)
    return folder


def write(path: Path, articles: slice, *, golds: bool = True) -> Path:
    """One short paragraph of some articles of the sample."""
    content = json.loads(SAMPLE.read_text())
    chosen = []
    for article in content["data"][articles]:
        paragraph = min(article["paragraphs"], key=lambda p: len(p["context"]))
        qas = [qa if golds else {**qa, "answers": []} for qa in paragraph["qas"][:3]]
        chosen.append({**article, "paragraphs": [{**paragraph, "qas": qas}]})
    path.write_text(json.dumps({"data": chosen}))
    return path


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("questions") / "questions.json", slice(4))


def request(teacher: Path, questions: Path, **changes: Any) -> DistilRequest:
    fields: dict[str, Any] = {
        "teacher": str(teacher),
        "student": "layers=1",
        "questions": (questions,),
        "held_out": "0.3",
        "losses": "soft=1,hard=0.5,values=1,hidden=1",
        "steps": 6,
        "batch": 4,
        "learning_rate": 1e-3,
        "evaluate_every": 2,
    }
    return DistilRequest(**{**fields, **changes})


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "training-log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def losses(folder: Path) -> list[float]:
    return [entry["loss"] for entry in logged(folder) if "loss" in entry]


@pytest.fixture(scope="module")
def whole(teacher: Path, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student whose training was not interrupted."""
    place = tmp_path_factory.mktemp("students") / "whole"
    distil.distil(request(teacher, questions), place, silent)
    return place


def test_a_student_is_a_transformers_folder_with_its_record(whole: Path, teacher: Path) -> None:
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    network = AutoModelForQuestionAnswering.from_pretrained(whole)
    assert network.config.num_hidden_layers == 1
    assert AutoTokenizer.from_pretrained(whole).model_max_length == 512  # type: ignore[no-untyped-call]  # untyped there
    made = record.read(whole)
    assert made is not None
    assert made.teacher == weights.from_folder(teacher).weights
    assert (made.layers, made.architecture.layers, made.teacher_architecture.layers) == ((2,), 1, 2)
    assert [e.step for e in made.evaluations] == [0, 2, 4, 6]
    assert made.best.f1 == max(e.f1 for e in made.evaluations)
    assert made.losses == {"soft": 1, "hard": 0.5, "values": 1, "hidden": 1}
    card = (whole / "README.md").read_text()
    assert 'base_model: "tiny"' in card and "curve.svg" in card
    assert f"| the teacher on the same questions | {made.teacher_scores} |" in card
    assert (whole / "curve.svg").read_text().count("<polyline") == 4
    assert not (whole / "training").exists()
    assert losses(whole)[-1] < losses(whole)[0]


def test_a_teacher_that_was_trained_on_the_held_out_articles_is_reported(whole: Path) -> None:
    made = record.read(whole)
    assert made is not None
    held = made.data.held_out_articles
    knowing = msgspec.structs.replace(made.teacher, training_articles=("Elsewhere", held[0]))
    scored = msgspec.structs.replace(made, teacher=knowing)
    warning = f"{made.teacher_scores}, but it was trained on 1 of these"
    assert len(held) > 1 and scored.teacher_scores == f"{warning} {len(held)} articles"
    one = msgspec.structs.replace(made.data, held_out_articles=held[:1])
    assert msgspec.structs.replace(scored, data=one).teacher_scores == f"{warning} 1 article"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(1, 7))
def test_a_training_that_was_killed_resumes_as_if_it_was_not(
    whole: Path, teacher: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    def kill(self: object, number: int, steps: int, loss: float) -> None:
        if number == at:
            raise Killed

    place = tmp_path / "killed"
    with monkeypatch.context() as patched:
        patched.setattr("export.distillation.training.progress.Lines.step", kill)
        with pytest.raises(Killed):
            distil.distil(request(teacher, questions), place, silent)
    with (place / "training-log.jsonl").open("a") as log:
        log.write('{"step": 9')  # as if the kill came in the middle of a line
    (place / "training" / "latest.pt.partial").write_bytes(b"half a checkpoint")
    with pytest.raises(BadInput, match=r"already exists: .*, or continue with --resume"):
        distil.distil(request(teacher, questions), place, silent)
    with pytest.raises(BadInput, match="was made with other settings"):
        distil.distil(request(teacher, questions, resume=True, seed=1), place, silent)
    with monkeypatch.context() as patched:
        patched.setattr(distil, "precision", lambda device: "fp16")
        with pytest.raises(BadInput, match="was made with other settings"):
            distil.distil(request(teacher, questions, resume=True), place, silent)
    resumed = distil.distil(request(teacher, questions, resume=True), place, silent)
    undisturbed = record.read(whole)
    assert undisturbed is not None
    assert scores(resumed) == scores(undisturbed)
    assert losses(place) == pytest.approx(losses(whole), rel=1e-5)
    again = distil.distil(request(teacher, questions, resume=True), place, silent)
    assert again == resumed


def scores(made: TrainingRecord) -> list[tuple[int, float, float]]:
    return [(e.step, e.exact_match, e.f1) for e in made.evaluations]


def test_a_student_that_is_its_teacher_has_nothing_to_learn(
    teacher: Path, questions: Path, tmp_path: Path
) -> None:
    same = ",".join(("soft", "hidden", "attention", "cosine", "self_attention", "values"))
    distil.distil(
        request(teacher, questions, student="layers=2", losses=same, steps=1), tmp_path / "s", silent
    )
    first = logged(tmp_path / "s")[1]
    assert first["step"] == 1
    assert {name: first[name] for name in same.split(",")} == pytest.approx(
        dict.fromkeys(same.split(","), 0), abs=1e-5
    )


def test_a_student_of_another_width_learns_through_projections(
    teacher: Path, questions: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    asked = request(teacher, questions, student="layers=1,hidden=24,heads=3", losses="tinybert")
    made = distil.distil(asked, tmp_path / "s", said.append)
    assert (made.architecture.hidden_size, made.architecture.intermediate_size) == (24, 96)
    assert made.copied_parameters < 100 and any("start at random" in line for line in said)
    assert losses(tmp_path / "s")[-1] < losses(tmp_path / "s")[0]


def poisoned(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> torch.Tensor:
    """A user's own loss, which breaks down in step 3."""
    poisoned.calls += 1  # type: ignore[attr-defined]  # a counter of this test
    broken = float("nan") if poisoned.calls == 3 else 1.0  # type: ignore[attr-defined]  # as above
    return (student.hidden[1] - teacher.hidden[1]).square().mean() * broken


def test_a_loss_that_is_no_number_stops_the_training_with_step_and_rate(
    teacher: Path, questions: Path, tmp_path: Path
) -> None:
    poisoned.calls = 0  # type: ignore[attr-defined]  # as above
    asked = request(teacher, questions, losses=f"soft=1,{__name__}:poisoned=0.5")
    with pytest.raises(
        TrainingDiverged, match=r"at step 3 with a learning rate of 0.000667 \(soft [\d.]+, .*:poisoned nan\)"
    ):
        distil.distil(asked, tmp_path / "s", silent)


def test_questions_without_gold_answers_are_for_soft_losses(teacher: Path, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.json", slice(0, 2), golds=False)
    held = write(tmp_path / "held.json", slice(2, 4))
    asked = request(teacher, plain, held_out=str(held), steps=2)
    with pytest.raises(
        BadInput, match=r"'hard=1' learn from gold answers alone, but .* have none: add soft=1"
    ):
        distil.distil(request(teacher, plain, held_out=str(held), losses="hard=1"), tmp_path / "s", silent)
    made = distil.distil(asked, tmp_path / "s", silent)
    assert made.data.answered == 0
    assert [entry["hard"] for entry in logged(tmp_path / "s") if "hard" in entry] == [0, 0]
    with pytest.raises(BadInput, match=r"none of the questions held out by '.*plain.json' has a gold answer"):
        distil.distil(request(teacher, held, held_out=str(plain)), tmp_path / "t", silent)
    with pytest.raises(
        BadInput,
        match=r"questions of '.*held.json' are also among .* \(the first by id: '",
    ):
        distil.distil(request(teacher, held, held_out=str(held)), tmp_path / "t", silent)


def test_the_outputs_of_the_teacher_can_be_kept(
    whole: Path, teacher: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    distil.distil(request(teacher, questions, cache=cache), tmp_path / "first", silent)
    assert losses(tmp_path / "first") == pytest.approx(losses(whole), rel=0.01)
    (folder,) = cache.iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"logits.npy", "hidden-0.npy", "hidden-2.npy", "values-2.npy"}
    monkeypatch.setattr("export.distillation.teacher._compute", lambda *_: pytest.fail("the teacher ran"))
    distil.distil(request(teacher, questions, cache=cache, losses="soft=1"), tmp_path / "second", silent)
    monkeypatch.undo()
    monkeypatch.setattr("export.distillation.teacher.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    asked = request(teacher, questions, cache=cache, losses="self_attention")
    with pytest.raises(StorageUnavailable, match=r"needs .* MB more for queries-2.npy, but only 0 MB"):
        distil.distil(asked, tmp_path / "third", silent)


def test_a_student_is_built_by_the_name_of_its_folder(whole: Path, tmp_path: Path) -> None:
    named = names.find(str(whole))
    asked = BuildRequest(model=named.model, weights=str(named.weights), verify=4)
    (bundle,) = build(asked, tmp_path / "bundles", silent)
    manifest = decode_manifest((bundle / "manifest.json").read_bytes())
    assert (manifest.model, manifest.title, manifest.weights.origin) == ("tiny-l1", "tiny-l1", "local")
    assert manifest.distillation == (
        "distilled from tiny by soft, hard, values, hidden; started from layer 2 of the teacher"
    )
    assert manifest.weights.training_data == "questions.json"


def test_early_stopping_waits_as_long_as_asked(teacher: Path, questions: Path, tmp_path: Path) -> None:
    asked = request(teacher, questions, losses="hard=1", learning_rate=1e-9, evaluate_every=1, patience=2)
    made = distil.distil(asked, tmp_path / "s", silent)
    assert made.stopped_early and [e.step for e in made.evaluations] == [0, 1, 2]
    assert made.distillation == "trained on gold answers alone; started from layer 2 of tiny"


def test_a_distilbert_starts_as_layers_of_a_bert(teacher: Path) -> None:
    from transformers import DistilBertConfig

    from export.distillation.student import copy
    from export.models.load import untrained

    network, _ = sources.load_teacher(sources.find(str(teacher)))
    config = DistilBertConfig(  # type: ignore[no-untyped-call]  # untyped there
        n_layers=1, dim=32, n_heads=2, hidden_dim=64, vocab_size=600
    )
    young = untrained(config, 0)
    assert copy(young, network, (2,)) == sum(parameter.numel() for parameter in young.parameters())
    theirs, ours = network.state_dict(), young.state_dict()
    assert torch.equal(
        ours["distilbert.transformer.layer.0.ffn.lin1.weight"],
        theirs["bert.encoder.layer.1.intermediate.dense.weight"],
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sotf=1", "there is no loss 'sotf': did you mean 'soft'?"),
        ("minilmm", "there is no loss 'minilmm': did you mean 'minilm'?"),
        ("zzz=1", "there is no loss 'zzz': the losses are hard, soft, hidden,"),
        ("soft=0", "loss 'soft=0' is not NAME=WEIGHT with a weight above 0"),
        ("soft=nan", "loss 'soft=nan' is not NAME=WEIGHT"),
        ("soft=1,,", "loss '' is not NAME=WEIGHT"),
        ("soft=1,soft=2", "loss 'soft' is named twice"),
        ("nowhere.at.all:loss=1", "loss 'nowhere.at.all:loss' cannot be imported: No module named 'nowhere'"),
        ("json:nothing=1", "loss 'json:nothing' cannot be imported: "),
        ("json:loads=1", "loss 'json:loads' must be a function of three arguments"),
    ],
)
def test_wrong_losses_are_quoted(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        objective.parse(text, 3, 2.0)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("preset", objective.PRESETS)
def test_a_preset_is_losses_with_weights(preset: str) -> None:
    goal = objective.parse(preset, 3, 2.0)
    assert len(goal.terms) >= 3 and goal.needs_teacher
    assert not objective.parse("hard=1", 3, 2.0).needs_teacher


@pytest.mark.parametrize(
    ("student", "teacher", "chosen", "layers"),
    [
        (3, 6, None, (2, 4, 6)),
        (4, 12, None, (3, 6, 9, 12)),
        (4, 6, None, (2, 3, 4, 6)),
        (2, 6, "1, 6", (1, 6)),
    ],
)
def test_layers_are_evenly_spaced_and_end_with_the_last(
    student: int, teacher: int, chosen: str | None, layers: tuple[int, ...]
) -> None:
    assert shapes.layer_map(student, teacher, chosen) == layers


@pytest.mark.parametrize("chosen", ["1", "6,1", "0,6", "1,7", "a,b", ""])
def test_wrong_layers_are_refused(chosen: str) -> None:
    with pytest.raises(BadInput, match=f"--layers-from '{chosen}' must be 2 ascending numbers from 1 to 6"):
        shapes.layer_map(2, 6, chosen)


def test_a_message_about_one_thing_is_in_the_singular() -> None:
    with pytest.raises(BadInput, match="--layers-from '7' must be 1 number from 1 to 6: a layer of"):
        shapes.layer_map(1, 6, "7")
    with pytest.raises(BadInput, match="the student has 2 layers, but its teacher has only 1: with"):
        shapes.layer_map(2, 1, None)
    said: list[str] = []
    progress.Lines(said.append).read(1, 1)
    assert said == ["the teacher has read 1 window; its outputs are in the cache"]


def test_shapes_are_the_teachers_with_other_numbers() -> None:
    from transformers import BertConfig

    config = BertConfig(num_attention_heads=12, hidden_size=384, intermediate_size=1536)  # type: ignore[no-untyped-call]  # untyped there
    assert shapes.shaped("layers=3", config).intermediate_size == 1536
    narrow = shapes.shaped("layers=4, hidden=256", config)
    assert (narrow.num_attention_heads, narrow.intermediate_size, narrow.hidden_size) == (4, 1024, 256)
    for spec, sentence in (
        ("layers=3,width=9", "has no number 'width': choose from layers, hidden, heads, intermediate"),
        ("layers=0", "sets 'layers' to '0', not to a whole number above 0"),
        ("hidden=384,heads=5", "has 384 channels, which cannot be divided among 5 heads"),
    ):
        with pytest.raises(BadInput, match=sentence):
            shapes.shaped(spec, config)


def test_a_split_keeps_articles_whole() -> None:
    asked = data.read(SAMPLE)
    learn, held = data.split(asked, 0.25, seed=1)
    assert {*learn} | {*held} == {*asked} and not {q.title for q in learn} & {q.title for q in held}
    assert 0.25 <= len(held) / len(asked) < 0.5
    assert data.split(asked, 0.25, seed=1) == (learn, held)
    assert data.split(asked, 0.25, seed=2) != (learn, held)
    with pytest.raises(BadInput, match=r"^1 article cannot be split so that 25% of"):
        data.split(tuple(q for q in asked if q.title == asked[0].title), 0.25, seed=0)


def test_labels_are_the_tokens_of_the_answer(teacher: Path) -> None:
    _, tokenizer = sources.load_teacher(sources.find(str(teacher)))
    cutter = Cutter(tokenizer.backend_tokenizer.to_str(), data.INPUTS)
    found = 0
    for question in data.read(SAMPLE)[:40]:
        (label,), (window,) = data.labelled((question,), cutter)[:1], cutter.windows(question)[:1]
        if label.first:
            found += 1
            text = question.context[window.offsets[label.first][0] : window.offsets[label.last][1]]
            assert question.golds[0].text in text and len(text) < len(question.golds[0].text) + 8
    assert found > 30
    long = Question("1", "?", "word " * 500 + "answer", (Gold("answer", 2500),), "")
    firsts = [label.first for label in data.labelled((long,), cutter)]
    assert firsts[0] == 0 and firsts[-1] > 0


def test_an_epoch_has_every_window_once_in_batches_of_like_lengths() -> None:
    lengths = [random.Random(i).randrange(20, 380) for i in range(500)]
    batches = data.epoch(lengths, 8, seed=0, number=0)
    assert sorted(place for batch in batches for place in batch) == list(range(500))
    padded = sum(len(batch) * max(lengths[place] for place in batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    assert data.epoch(lengths, 8, seed=0, number=0) == batches != data.epoch(lengths, 8, seed=0, number=1)


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    settings = TrainingSettings(steps=10, evaluate_every=5, warm_up=0.2, learning_rate=1.0)
    rates = [learning_rate(step, settings) for step in range(1, 11)]
    assert rates[:3] == pytest.approx([0.5, 1, 8 / 9]) and rates[-1] == pytest.approx(1 / 9)
    assert learning_rate(1, TrainingSettings(steps=10, evaluate_every=5, warm_up=0, learning_rate=1.0)) > 0.9


def test_parts_of_a_batch_make_the_same_step(
    whole: Path, teacher: Path, questions: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="a batch of 4 windows cannot be split into 3 equal parts"):
        distil.distil(request(teacher, questions, accumulate=3), tmp_path / "s", silent)
    made = distil.distil(request(teacher, questions, accumulate=2), tmp_path / "s", silent)
    assert made.settings.accumulate == 2 and len(losses(tmp_path / "s")) == len(losses(whole))


def test_a_gpu_is_used_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert device.this_device() == torch.device("cuda")
    assert device.precision(torch.device("cuda")) == "fp16"


def test_a_processor_trains_in_the_precision_that_it_multiplies_fastest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    for capabilities, expected in (
        ({"avx2": True, "avx512_bf16": False}, "fp32"),
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ({}, "fp32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert device.precision(cpu) == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert device.precision(cpu) == "fp32", "an older torch does not say it"


def test_a_bar_shows_loss_and_score_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    with progress.watching(silent) as watcher:
        assert isinstance(watcher, progress.Lines)
    shown = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(
        TextColumn("{task.description} {task.completed} {task.fields[facts]}"), console=shown
    ) as bars:
        bar = progress.Bar(bars)
        bar.read(16, 32)
        bar.scored(0, 10, Accuracy(1.0, 2.0), best=True)
        bar.step(1, 10, 4.0)
        bar.scored(1, 10, Accuracy(0.5, 1.0), best=False)
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert "teacher reads 16" in text and "training 1 loss 4.000, best EM 1.0 F1 2.0" in text
    assert capsys.readouterr().err == ""


def test_wrong_losses_get_one_sentence_before_anything_is_loaded(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export", "distill", "--teacher", "nowhere", "--student", "layers=1"]
    options = ["--questions", str(SAMPLE), "--to", str(tmp_path / "s"), "--loss", "sotf=1"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    sentence = "export-models: there is no loss 'sotf': did you mean 'soft'?\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
