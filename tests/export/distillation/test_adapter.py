"""Tests students that are trained and written as adapters, with tiny readers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from contract.bundle import decode_manifest
from export.building.build import BuildRequest, build
from export.distillation import load as sources
from export.distillation import run as distil
from export.distillation.adapter import adapted, save
from export.distillation.request import DistilRequest
from export.distillation.student import Student, student
from export.errors import BadInput
from export.models import resolve, training_record
from export.models import sources as weights
from export.models.load import load, load_base
from tests.export.distillation.test_distillation import SAMPLE, silent, write
from tests.export.tiny_models import TINY

WHOLE = ["qa_outputs", "position_embeddings", "token_type_embeddings"]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("questions") / "questions.json", slice(4))


@pytest.fixture(scope="module")
def teacher(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that is an adapter of rank 3 on the tiny checkpoint, as PEFT itself writes it."""
    from peft import LoraConfig, get_peft_model

    network, _ = sources.load_base(str(checkpoint))
    config = LoraConfig(r=3, target_modules=["query", "key", "value", "dense"], bias="all")
    config.modules_to_save = ["qa_outputs"]
    torch.manual_seed(5)
    model = get_peft_model(network, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn_like(parameter) * (0.3 if "lora" in name else 0.1))
    folder = tmp_path_factory.mktemp("teachers") / "taught"
    config.base_model_name_or_path = str(checkpoint)
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").write_text('---\nlicense: mit\ntraining_articles: ["Kenya"]\n---\n')
    return folder


def request(teacher: Path, questions: Path, **changes: Any) -> DistilRequest:
    fields: dict[str, Any] = {
        "teacher": str(teacher),
        "student": "layers=1",
        "adapter": 5,
        "questions": (questions,),
        "held_out": "0.3",
        "losses": "soft=1,hard=0.5,attention=1,hidden=1",
        "steps": 4,
        "batch": 4,
        "learning_rate": 1e-2,
        "evaluate_every": 2,
    }
    return DistilRequest(**{**fields, **changes})


def made_from(asked: DistilRequest) -> tuple[Student, weights.Source]:
    source = sources.find(asked.teacher)
    master, tokenizer = sources.load_teacher(source)
    return student(asked, master, tokenizer, "tiny"), source


def answers(network: torch.nn.Module) -> torch.Tensor:
    """The logits of a few windows."""
    ids = torch.arange(40, dtype=torch.long).reshape(2, 20) + 1000
    network.eval()
    with torch.inference_mode():
        logits: torch.Tensor = network(input_ids=ids).start_logits
    return logits


@pytest.fixture(scope="module")
def trained(teacher: Path, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("students") / "small"
    distil.distil(request(teacher, questions), place, silent)
    return place


def test_an_adapter_starts_as_the_layers_of_its_teacher(teacher: Path, questions: Path) -> None:
    young, source = made_from(request(teacher, questions, layers_from="1"))
    begun, adapter = adapted(young, source, 3, 0)
    assert adapter.layers == (0,) and begun.network is not young.network
    assert torch.allclose(answers(begun.network), answers(young.network), atol=1e-5)
    lower, _ = adapted(young, source, 1, 0)
    error = (answers(lower.network) - answers(young.network)).abs().max()
    assert error > 1e-3  # one direction of three is not the whole difference
    wider, _ = adapted(young, source, 20, 0)
    assert torch.allclose(answers(wider.network), answers(young.network), atol=1e-5)
    spare = wider.network.get_submodule("bert.encoder.layer.0.attention.self.query")
    a, b = (getattr(spare, name)["default"].weight for name in ("lora_A", "lora_B"))
    assert torch.equal(b[:, 3:], torch.zeros(32, 17)) and a[3:].abs().min() > 0


def test_a_trained_adapter_is_a_folder_that_peft_loads_itself(
    trained: Path, teacher: Path, checkpoint: Path
) -> None:
    from peft import PeftModel

    stated = json.loads((trained / "adapter_config.json").read_text())
    assert stated["layer_replication"] == [[1, 2]]
    assert stated["base_model_name_or_path"] == str(checkpoint)
    assert (stated["r"], stated["bias"]) == (5, "all")
    assert stated["modules_to_save"] == WHOLE
    assert {path.name for path in trained.iterdir()} == {
        *("README.md", "adapter_config.json", "adapter_model.safetensors"),
        *("curve.svg", "distillation.json", "training-log.jsonl"),
    }
    source = weights.from_folder(trained)
    ours = load(resolve.find(str(trained)).model, source)
    assert ours.architecture.layers == 1
    theirs = PeftModel.from_pretrained(load_base(source), trained)
    assert torch.allclose(answers(ours.network), answers(theirs), atol=1e-5)


def test_an_adapter_changes_its_base_by_no_more_than_its_rank(trained: Path) -> None:
    source = weights.from_folder(trained)
    base = load_base(source).state_dict()
    merged = load(resolve.find(str(trained)).model, source).network.state_dict()
    learned = set()
    for name, tensor in merged.items():
        before = base[name.replace("layer.0.", "layer.1.")]
        if torch.equal(tensor, before):
            continue
        learned.add(name)
        if tensor.ndim == 2 and not any(module in name for module in WHOLE):
            sizes = torch.linalg.svdvals(tensor - before)
            assert int((sizes > 1e-4 * sizes[0]).sum()) <= 5
    assert not any("word_embeddings" in name or "LayerNorm.weight" in name for name in learned)
    assert {"qa_outputs.weight", "bert.encoder.layer.0.output.dense.weight"} <= learned
    assert {f"bert.embeddings.{module}.weight" for module in WHOLE[1:]} <= learned


def test_an_adapter_records_what_it_learned_from(trained: Path, checkpoint: Path) -> None:
    made = training_record.read(trained)
    assert made is not None
    assert (made.adapter_rank, made.adapter_base, made.layers) == (5, str(checkpoint), (2,))
    assert made.teacher.training_articles == ("Kenya",)
    card = (trained / "README.md").read_text()
    assert "library_name: peft" in card and f"base_model: {json.dumps(str(checkpoint))}" in card
    assert "| adapter | LoRA of rank 5 on " in card
    entries = [json.loads(line) for line in (trained / "training-log.jsonl").read_text().splitlines()]
    steps = [entry["loss"] for entry in entries if "loss" in entry]
    assert len(steps) == 4 and steps[-1] < steps[0]


def test_an_adapter_is_built_as_any_other_folder(trained: Path, checkpoint: Path, tmp_path: Path) -> None:
    named = resolve.find(str(trained))
    asked = BuildRequest(model=named.model, weights=str(named.weights), verify=4)
    (bundle,) = build(asked, tmp_path / "bundles", silent)
    manifest = decode_manifest((bundle / "manifest.json").read_bytes())
    assert manifest.architecture.layers == 1
    assert manifest.weights.origin == "adapter"
    assert {"Kenya", *SAMPLE_TITLES} >= set(manifest.weights.training_articles) >= {"Kenya"}
    assert len(manifest.weights.training_articles) > 1
    assert manifest.distillation == (
        f"distilled from taught on {checkpoint} by soft, hard, attention, hidden; "
        "started from layer 2 of the teacher"
    )


SAMPLE_TITLES = [article["title"] for article in json.loads(SAMPLE.read_text())["data"]]


def test_an_adapter_can_teach_a_smaller_one(trained: Path, teacher: Path, questions: Path) -> None:
    """The teacher's only layer is layer 1 of the base, counted from 0, and so is its student's."""
    young, source = made_from(request(trained, questions))
    begun, adapter = adapted(young, source, 5, 0)
    assert adapter.layers == (1,)
    assert torch.allclose(answers(begun.network), answers(young.network), atol=1e-5)


def test_a_teacher_without_an_adapter_is_itself_the_base(
    checkpoint: Path, questions: Path, tmp_path: Path
) -> None:
    young, source = made_from(request(checkpoint, questions))
    _, adapter = adapted(young, source, 2, 0)
    assert adapter.base == str(checkpoint)
    save(adapter, tmp_path / "a", "0123")
    assert json.loads((tmp_path / "a" / "adapter_config.json").read_text())["revision"] == "0123"
    young, source = made_from(request(checkpoint, questions, student="layers=2"))
    save(adapted(young, source, 2, 0)[1], tmp_path / "b", None)
    stated = json.loads((tmp_path / "b" / "adapter_config.json").read_text())
    assert stated["layer_replication"] is None, "peft merges only an adapter without it"


def test_a_finished_adapter_is_not_trained_again(trained: Path, teacher: Path, questions: Path) -> None:
    said: list[str] = []
    made = distil.distil(request(teacher, questions, resume=True), trained, said.append)
    assert made == training_record.read(trained)
    assert said == [f"the training in '{trained}' is already finished"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"adapter": 33}, "--adapter 33 is more than the 32 channels of the student"),
        ({"student": "layers=1,intermediate=48"}, "but 'bert.encoder.layer.0.intermediate.dense.weight' of"),
        (
            {"student": "layers=3", "layers_from": "1,2,2"},
            "--adapter needs different layers, but layers 1, 2, 2 of the teacher repeat one",
        ),
    ],
)
def test_a_student_that_is_no_adapter_is_refused(
    teacher: Path, questions: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput) as refused:
        distil.distil(request(teacher, questions, **changes), tmp_path / "s", silent)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_a_student_with_its_own_start_is_no_adapter(
    teacher: Path, checkpoint: Path, questions: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"but this student starts from another model \(/.*\): give numbers"):
        distil.distil(request(teacher, questions, student=str(checkpoint)), tmp_path / "s", silent)


def test_weights_that_an_adapter_would_lose_are_refused(teacher: Path, questions: Path) -> None:
    young, source = made_from(request(teacher, questions))
    with torch.no_grad():
        young.network.get_parameter("bert.embeddings.LayerNorm.weight").mul_(2)
    with pytest.raises(BadInput, match=r"keeps 'bert.embeddings.LayerNorm.weight' of the base, but"):
        adapted(young, source, 5, 0)


def test_only_berts_have_adapters_on_chosen_layers(questions: Path, tmp_path: Path) -> None:
    from transformers import DistilBertConfig, DistilBertForQuestionAnswering, DistilBertTokenizerFast

    config = DistilBertConfig(n_layers=2, dim=32, n_heads=2, hidden_dim=64)  # type: ignore[no-untyped-call]  # untyped there
    folder = tmp_path / "distil"
    DistilBertForQuestionAnswering(config).save_pretrained(folder)
    packaged = weights.tokenizer_file(None)
    assert packaged is not None
    DistilBertTokenizerFast.from_pretrained(packaged.path.parent).save_pretrained(folder)
    young, source = made_from(request(folder, questions))
    with pytest.raises(BadInput, match="works with students of family 'bert' only, not 'distilbert'"):
        adapted(young, source, 5, 0)


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        ([[1, 3]], "has a range that is empty or outside of the base's 2 layers: give ranges"),
        ([[1, 1]], "has a range that is empty or outside"),
        ([[-1, 1]], "has a range that is empty or outside"),
        ([[0, 1], [0, 1]], "repeats a layer or changes their order"),
        ([[1, 2], [0, 1]], "repeats a layer or changes their order"),
        ([[0, 1, 2]], "is not a list of ranges of layers"),
        ("all", "is not a list of ranges of layers"),
        ([["0", "1"]], "is not a list of ranges of layers"),
    ],
)
def test_wrong_layers_of_an_adapter_are_quoted(
    trained: Path, tmp_path: Path, stated: Any, sentence: str
) -> None:
    folder = tmp_path / "spoilt"
    folder.mkdir()
    for path in trained.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(content | {"layer_replication": stated}))
    with pytest.raises(BadInput) as refused:
        resolve.find(str(folder))
    assert str(refused.value).startswith(f"'{folder / 'adapter_config.json'}': layer_replication {stated!r} ")
    assert sentence in str(refused.value)
    with pytest.raises(BadInput, match="layer_replication"):
        load(TINY, weights.from_folder(folder))
