"""Builds every family in every precision, with the catalog's structure and small sizes."""

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from contract.bundle import Precision, decode_manifest
from contract.questions import Question
from export.answering.inference import Cutter
from export.building.build import BuildRequest, build
from export.building.build_check import RANDOM_QUESTIONS
from export.models.catalog import MODELS, Model
from export.models.resolve import FAMILIES
from export.models.sources import tokenizer_file
from export.quantisation.weight_only import BLOCK, packed

SMALL = {
    "num_hidden_layers": 2,
    "n_layers": 2,
    "hidden_size": 40,
    "dim": 40,
    "num_attention_heads": 2,
    "n_heads": 2,
    "intermediate_size": 72,
    "hidden_dim": 72,
    "embedding_size": 24,
    "intra_bottleneck_size": 24,
    "vocab_size": 30_522,
}
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8", "int4")


def shrunken(model: Model) -> Model:
    config = model.config | {key: value for key, value in SMALL.items() if key in model.config}
    if config["model_type"] == "mobilebert":
        config["intermediate_size"] = config["hidden_size"]
    return msgspec.structs.replace(model, config=config)


def beside(family: str, **more: object) -> Model:
    """A model of a family that the catalog has none of."""
    config = MODELS[0].config | {"model_type": family} | more
    return Model(name=f"any-{family}", title=family, config=config, distillation="not stated")


BESIDE = (
    beside("electra"),
    # Its positions are counted after that of padding.
    beside("roberta", max_position_embeddings=514, pad_token_id=1),
)


def test_every_family_that_is_accepted_is_built_here() -> None:
    assert {model.config["model_type"] for model in (*MODELS, *BESIDE)} == set(FAMILIES)


@pytest.mark.parametrize("model", [*MODELS, *BESIDE], ids=lambda model: model.name)
def test_a_family_builds_and_verifies_in_every_precision(model: Model, tmp_path: Path) -> None:
    request = BuildRequest(model=shrunken(model), weights="random", precisions=PRECISIONS)
    for bundle, precision in zip(build(request, tmp_path, lambda line: None), PRECISIONS, strict=True):
        manifest = decode_manifest((bundle / "manifest.json").read_bytes())
        assert bundle.name == f"{model.name}-{precision}" and manifest.precision == precision
        assert manifest.verification is not None and manifest.verification["questions"] == RANDOM_QUESTIONS
        assert manifest.recipe["attention_operators"] == 2 and "attention_mask" not in manifest.inputs
        if precision == "fp32":
            assert manifest.recipe["biases_moved"] >= 2 * 2
        assert manifest.architecture.family == model.config["model_type"] and manifest.max_tokens == 512
        assert {path.name for path in bundle.iterdir()} == {"model.onnx", "tokenizer.json", "manifest.json"}


@pytest.mark.parametrize(
    ("model", "positions"),
    [
        (beside("bert", max_position_embeddings=128), 128),
        (beside("bert", max_position_embeddings=200, type_vocab_size=1), 200),
        (beside("roberta", max_position_embeddings=130, pad_token_id=1, type_vocab_size=1), 128),
        (beside("electra", max_position_embeddings=96, type_vocab_size=1), 96),
    ],
    ids=["short", "one-type", "roberta", "electra"],
)
def test_few_positions_and_one_type_of_token_are_built_and_verified(
    model: Model, positions: int, tmp_path: Path
) -> None:
    request = BuildRequest(model=shrunken(model), weights="random", precisions=("fp32", "int8"))
    for bundle in build(request, tmp_path, lambda line: None):
        manifest = decode_manifest((bundle / "manifest.json").read_bytes())
        assert manifest.max_tokens == positions
        assert manifest.verification is not None and manifest.verification["questions"] == RANDOM_QUESTIONS
        types = {"token_type_ids"} if model.config["type_vocab_size"] == 2 else set()
        assert set(manifest.inputs) == {"input_ids"} | types


def test_windows_are_as_long_as_the_positions_and_a_question_without_room_has_none() -> None:
    tokenizer = tokenizer_file(None)
    assert tokenizer is not None
    text = tokenizer.path.read_text()
    asked = Question("q", "who wrote it ?", "word " * 1000, (), "")
    for positions, stride in ((128, 64), (384, 128), (512, 128)):
        first, second, *_ = Cutter(text, ("input_ids",), positions).windows(asked)
        assert first.inputs["input_ids"].size == second.inputs["input_ids"].size == min(positions, 384)
        assert first.offsets[-2] == second.offsets[5 + stride]  # after [CLS], the question and [SEP]
    cutter = Cutter(text, ("input_ids",), 128)
    long = asked._replace(question="who " * 70)
    assert cutter.windows(long) == []
    assert len(cutter.windows(long._replace(context="word"))) == 1  # it fits without being cut
    assert len(cutter.windows(asked)) > 10


def test_onnxruntime_fuses_bundles_into_its_fast_operators(tmp_path: Path) -> None:
    """A skip connection and a norm must not become one operator: that is ten percent slower."""
    request = BuildRequest(model=shrunken(MODELS[0]), weights="random", precisions=PRECISIONS, verify=0)
    layers = 2
    wanted = {
        "fp32": Counter(Attention=layers, BiasGelu=layers, MatMul=3 * layers + 1, Add=2 * layers + 3),
        "int8": Counter(QAttention=layers, Gelu=layers, DynamicQuantizeMatMul=3 * layers, MatMul=1),
        "int4": Counter(MultiHeadAttention=layers, MatMulNBits=4 * layers, MatMul=1),
    }
    for bundle, precision in zip(build(request, tmp_path, lambda line: None), PRECISIONS, strict=True):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        options.log_severity_level = 3  # such a file is for this machine
        onnxruntime.InferenceSession(bundle / "model.onnx", options, providers=["CPUExecutionProvider"])
        made = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
        assert made["LayerNormalization"] == 2 * layers + 1, made
        assert {kind: made[kind] for kind in wanted[precision]} == wanted[precision], made


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=70),
        elements=st.floats(-1e3, 1e3, width=16),
    )
)
def test_no_weight_moves_by_more_than_a_step_of_its_block(weight: NDArray[np.float32]) -> None:
    blocks, scales = packed(weight)
    inputs, outputs = weight.shape
    assert blocks.shape == (outputs, -(-inputs // BLOCK), BLOCK // 2)
    integers = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(*blocks.shape[:2], BLOCK)
    values = (integers.astype(np.float32) - 8) * scales[..., np.newaxis]
    restored = values.reshape(outputs, -1)[:, :inputs].T
    steps = np.repeat(np.abs(scales), BLOCK, axis=1)[:, :inputs].T
    assert (np.abs(restored - weight) <= steps * 1.001 + np.finfo(np.float32).tiny).all()
