"""Tests smoothing and calibration, and their effect on int8."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from contract.bundle import decode_manifest
from contract.questions import decode_questions
from export.answering.inference import Cutter, onnx_network
from export.answering.verification import compare, read
from export.building.build import BuildRequest, build
from export.errors import BadInput
from export.models.catalog import find
from export.quantisation import calibration
from export.quantisation.calibration import Activation
from export.quantisation.int8 import Integers, quantise_linears
from export.quantisation.smoothing import STRENGTHS, smooth
from export.questions import question_file
from tests.export.tiny_models import TINY

ROOT = Path(__file__).parent.parent.parent.parent
CHANNELS = 64


def linears() -> ModelProto:
    random = np.random.default_rng(3)
    names = ("query", "key")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", name], [f"{name}_y"], f"/{name}/MatMul") for name in names],
        "linears",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "tokens", CHANNELS])],
        [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(random.normal(size=(CHANNELS, 32)).astype(np.float32), n) for n in names],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def with_outlier(seed: int) -> NDArray[np.float32]:
    """Activations with one channel a hundred times as large as the others, as in trained transformers."""
    rows = np.random.default_rng(seed).normal(size=(40, CHANNELS)).astype(np.float32)
    rows[:, 7] *= 100
    return rows


def run(model: ModelProto, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    running = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate(running.run(None, {"x": rows[np.newaxis]}), axis=2)


def calibrated() -> dict[str, Activation]:
    rows = with_outlier(4)
    return {"x": Activation(rows.min(axis=0), rows.max(axis=0), [rows])}


@pytest.mark.parametrize("activations", [calibrated(), None])
def test_a_smoothed_graph_computes_the_same(activations: dict[str, Activation] | None) -> None:
    model, rows = linears(), with_outlier(5)
    exact = run(model, rows)
    smooth(model, activations, 127)
    assert [node.op_type for node in model.graph.node] == ["Mul", "MatMul", "MatMul"]
    np.testing.assert_allclose(run(model, rows), exact, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("largest", [127, 63])
def test_smoothing_makes_the_error_of_int8_smaller(largest: int) -> None:
    rows = with_outlier(5)
    exact = run(linears(), rows)
    plain, smoothed = linears(), linears()
    chosen = smooth(smoothed, calibrated(), largest)
    assert chosen.keys() == {"x"} and chosen["x"].strength in STRENGTHS
    errors = []
    for model in (plain, smoothed):
        quantise_linears(model, Integers(largest))
        integers = [numpy_helper.to_array(t) for t in model.graph.initializer if t.name.endswith("_q")]
        assert max(np.abs(array.astype(np.int32)).max() for array in integers) == largest
        errors.append(float(np.square(run(model, rows) - exact).mean()))
    assert errors[1] < errors[0] / 3


def test_the_shipped_questions_are_in_no_test() -> None:
    shipped = question_file.questions(None).questions
    sample = decode_questions((ROOT / "demo" / "sample-questions.json").read_bytes()).questions
    assert len(shipped) >= 60
    assert not {question.context for question in shipped} & {question.context for question in sample}


def test_calibration_sees_the_largest_value_of_each_channel(
    tiny_bundle: Path, tiny_traced: Path, tmp_path: Path
) -> None:
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    cutter = Cutter((tiny_bundle / "tokenizer.json").read_text(), inputs)
    asked = question_file.questions(None).questions[:5]
    found = calibration.activations(tiny_traced, cutter, asked, tmp_path / "scratch.onnx")
    assert list(tmp_path.iterdir()) == []
    # Two layers, each with QKV, attention output, intermediate and output.
    assert len(found) == 8 and {a.largest.shape for a in found.values()} == {(32,), (64,)}
    for activation in found.values():
        assert len(activation.windows) == 5
        highest = np.max([np.abs(window).max(axis=0) for window in activation.windows], axis=0)
        np.testing.assert_array_equal(activation.largest, highest)


def test_a_missing_calibration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read the question file '.*nowhere.json': No such file"):
        question_file.questions(tmp_path / "nowhere.json")


def test_portable_int8_is_smoothed_and_says_so(checkpoint: Path, tmp_path: Path) -> None:
    asked = BuildRequest(
        model=TINY, weights=str(checkpoint), precisions=("int8",), target="portable", verify=0
    )
    (portable,) = build(asked, tmp_path, lambda line: None)
    manifest = decode_manifest((portable / "manifest.json").read_bytes())
    assert portable.name == "tiny-int8-portable" and manifest.verification is None
    assert manifest.recipe["target"] == "portable" and len(manifest.recipe["smoothing_strengths"]) == 8


@pytest.mark.proof
def test_portable_int8_keeps_the_reader_s_answers(reader_bundle: Path, tmp_path: Path) -> None:
    request = BuildRequest(
        model=find("minilm-l6"),
        weights=str(ROOT / "demo" / "reader"),
        precisions=("int8",),
        target="portable",
        verify=0,
    )
    (portable,) = build(request, tmp_path, lambda line: None)
    manifest = decode_manifest((portable / "manifest.json").read_bytes())
    assert portable.name == "minilm-l6-int8-portable" and manifest.verification is None
    assert manifest.recipe["target"] == "portable" and len(manifest.recipe["smoothing_strengths"]) == 24
    sample = decode_questions((ROOT / "demo" / "sample-questions.json").read_bytes()).questions[::4]
    cutter = Cutter((portable / "tokenizer.json").read_text(), manifest.inputs)
    readings = [
        read(onnx_network(bundle / "model.onnx"), cutter, sample) for bundle in (reader_bundle, portable)
    ]
    assert compare(sample, *readings).agreement > 0.8
