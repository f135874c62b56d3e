import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.bundle import decode_manifest
from export.building.build import BuildRequest, build
from export.errors import BadInput
from export.models import sources as weights
from export.models.catalog import Model, find
from tests.export.tiny_models import TINY

READER = Path(__file__).parent.parent.parent.parent / "demo" / "reader"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def silent(line: str) -> None:
    pass


def build_tiny(folder: Path, to: Path, model: Model = TINY) -> Path:
    return build(BuildRequest(model=model, weights=str(folder)), to, silent)[0]


def test_a_card_lists_the_articles_that_its_model_knows(copy: Path) -> None:
    known = weights.from_folder(READER).weights.training_articles
    assert len(known) == len(set(known)) == 36 and "Kenya" in known
    card = copy / "README.md"
    assert weights.from_folder(copy).weights.training_articles == ()
    card.write_text(card.read_text().replace("---\n", '---\ntraining_articles: ["Kenya", 1066]\n', 1))
    assert weights.from_folder(copy).weights.training_articles == ("Kenya", "1066")


def test_a_local_folder_is_identified_by_its_content(checkpoint: Path, copy: Path, tmp_path: Path) -> None:
    bundle = build_tiny(checkpoint, tmp_path / "bundles")
    stated = decode_manifest((bundle / "manifest.json").read_bytes()).weights
    assert (stated.origin, stated.source, stated.licence, stated.training_data) == (
        "local",
        "tiny-squad",
        "mit",
        "squad, own",
    )
    assert weights.from_folder(copy).weights.revision == stated.revision
    (copy / "config.json").write_text((copy / "config.json").read_text().replace('"gelu"', '"relu"'))
    assert weights.from_folder(copy).weights.revision != stated.revision


def spoil_head(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("qa_outputs")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def spoil_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not safetensors")


def spoil_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def spoil_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


def cut_weights(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def three_labels(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    head = {"qa_outputs.weight": torch.zeros(3, 32), "qa_outputs.bias": torch.zeros(3)}
    save_file(tensors | head, folder / "model.safetensors", metadata={"format": "pt"})


def three_outputs(folder: Path) -> None:
    three_labels(folder)
    config = json.loads((folder / "config.json").read_text())
    labels = {str(number): f"LABEL_{number}" for number in range(3)}
    config |= {"id2label": labels, "label2id": {name: int(number) for number, name in labels.items()}}
    (folder / "config.json").write_text(json.dumps(config))


def pointer_as(name: str) -> Callable[[Path], None]:
    """What Git leaves in place of a large file if Git LFS is not installed."""

    def spoil(folder: Path) -> None:
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123456\n"
        (folder / name).write_text(pointer)

    return spoil


def weights_in(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(content)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_head, r"copy' has no trained question-answering head \(it lacks 'qa_outputs.bias'\)"),
        (spoil_weights, "copy' cannot be loaded: its file of weights is damaged or cut off"),
        (cut_weights, "copy' cannot be loaded: its file of weights is damaged or cut off"),
        (three_labels, r"the weights '.*' have the shape \[3.*\], but its config.json describes \[2"),
        (three_outputs, "copy' has a head of 3 outputs, but answers are found with two"),
        (pointer_as("model.safetensors"), "model.safetensors' is a Git LFS pointer, .*git lfs pull"),
        (pointer_as("pytorch_model.bin"), "pytorch_model.bin' is a Git LFS pointer, .*git lfs pull"),
        (pointer_as("tokenizer.json"), "tokenizer.json' is a Git LFS pointer, .*git lfs pull"),
        (pointer_as("config.json"), "config.json' is a Git LFS pointer, .*git lfs pull"),
        (weights_in("tf_model.h5", b"x"), "it has no weights of PyTorch: convert them"),
        (weights_in("flax_model.msgpack", b"x"), "it has no weights of PyTorch: convert them"),
        (weights_in("pytorch_model.bin", b"garbage"), "its file of weights is damaged or cut off"),
        (weights_in("pytorch_model.bin", b""), "its file of weights is damaged or cut off"),
        (weights_in("notes.md", b""), "it has no weights: it needs model.safetensors"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "copy' has no usable tokenizer: "),
        (spoil_config, "copy' cannot be loaded: "),
        (spoil_tokenizer, "copy' has no tokenizer: copy tokenizer.json from the model"),
        (
            lambda folder: (folder / "config.json").unlink(),
            "copy' is not a model: it has neither",
        ),
    ],
)
def test_a_spoilt_checkpoint_is_refused(
    copy: Path, tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(copy)
    with pytest.raises(BadInput, match=sentence) as refused:
        build_tiny(copy, tmp_path / "bundles")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "bundles").exists()


def test_weights_of_another_shape_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'tiny-squad' are not 'minilm-l6': layers is 2, not 6"):
        build_tiny(checkpoint, tmp_path, find("minilm-l6"))


def adapter_lacking(key: str, folder: Path) -> Path:
    from safetensors.torch import load_file, save_file

    shutil.copytree(READER, folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file(
        {name: t for name, t in tensors.items() if key not in name}, folder / "adapter_model.safetensors"
    )
    return folder


def test_an_adapter_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    adapter = adapter_lacking("layer.3.attention.self.query.lora_A", tmp_path / "adapter")
    with pytest.raises(BadInput, match=r"adapter' lacks weights that its adapter_config.json declares"):
        build_tiny(adapter, tmp_path / "bundles", find("minilm-l6"))


def test_an_adapter_without_a_head_is_refused(tmp_path: Path) -> None:
    adapter = adapter_lacking("qa_outputs", tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_bytes())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"modules_to_save": None}))
    with pytest.raises(BadInput, match=r"adapter' has no trained question-answering head"):
        build_tiny(adapter, tmp_path / "bundles", find("minilm-l6"))


def test_an_adapter_on_a_foreign_base_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    request = BuildRequest(model=find("minilm-l6"), weights=str(READER), base=checkpoint)
    with pytest.raises(BadInput, match=r"the adapter '.*reader' does not fit its base"):
        build(request, tmp_path / "bundles", silent)


def test_random_weights_need_a_tokenizer_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        BadInput, match=r"'distilbert-cased' has a vocabulary of 28996 tokens, but the tokenizer .* has 30522"
    ):
        build(BuildRequest(model=find("distilbert-cased"), weights="random"), tmp_path, silent)
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(BadInput, match=r"tokenizer.json' is not a tokenizer.json"):
        build(BuildRequest(model=TINY, weights="random", tokenizer=tmp_path), tmp_path / "b", silent)
    monkeypatch.setattr("export.models.sources.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"'tiny' need a tokenizer: give one with --tokenizer"):
        weights.random(TINY, 0)


def test_a_model_without_a_checkpoint_on_the_hub_says_so() -> None:
    with pytest.raises(BadInput, match=r"no question-answering checkpoint of 'minilm-l6'.*--weights"):
        weights.from_hub(find("minilm-l6"))
