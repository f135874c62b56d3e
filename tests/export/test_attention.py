"""Attention becomes one operator, its linear layers one, and what the network says stays what it was."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export import graph
from export.attention import OPERATOR, attend
from export.calibration import Activation
from export.catalog import MODELS, Model
from export.folding import fold
from export.merging import merge
from export.quantisation import linears, spared
from export.reader import load
from export.request import BuildRequest, find_source
from export.smoothing import smooth
from tests.export.graphs import run
from tests.export.models import LAYERS
from tests.export.test_families import BESIDE, shrunken


def kinds(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def inputs(model: ModelProto) -> list[str]:
    return [tensor.name for tensor in model.graph.input]


def is_same(
    model: ModelProto, exact: list[NDArray[np.float32]], rtol: float = 1e-4, atol: float = 1e-5
) -> None:
    for ours, theirs in zip(run(model), exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("model", [*MODELS, *BESIDE], ids=lambda model: model.name)
def test_every_family_has_its_attention_in_one_operator_a_layer(model: Model, tmp_path: Path) -> None:
    request = BuildRequest(model=shrunken(model), weights="random", precisions=("fp32",))
    graph.trace(load(request.model, find_source(request)), tmp_path / "traced.onnx")
    changed = graph.load(tmp_path / "traced.onnx")
    exact = run(changed)
    assert attend(changed) == 2 and kinds(changed)[OPERATOR] == 2 and kinds(changed)["Softmax"] == 0
    assert merge(changed.graph) > 0
    assert "attention_mask" not in inputs(changed) and inputs(changed)[0] == "input_ids"
    is_same(changed, exact)
    assert attend(changed) == merge(changed.graph) == 0


def attended(traced: Path) -> ModelProto:
    model = graph.load(traced)
    attend(model)
    return model


def test_queries_keys_and_values_come_from_one_linear_layer(tiny_traced: Path) -> None:
    model = attended(tiny_traced)
    exact, before = run(model), kinds(model)
    gone = merge(model.graph)
    assert gone == before.total() - kinds(model).total() == 3 * LAYERS
    assert sorted(len(nodes) for nodes in linears(model.graph).values()) == [1] * 4 * LAYERS
    is_same(model, exact)


def test_a_layer_that_a_recipe_spares_is_still_found(tiny_traced: Path) -> None:
    model = graph.load(tiny_traced)
    kept = spared(model.graph, "last layer")
    attend(model)
    merge(model.graph)
    left = [node.name for nodes in linears(model.graph, kept).values() for node in nodes]
    assert len(left) == 4 * (LAYERS - 1)


def test_what_smoothing_divides_behind_attention_goes_into_the_values(tiny_traced: Path) -> None:
    model = graph.load(tiny_traced)
    exact = run(model)
    random = np.random.default_rng(4)
    widths = {source: _width(model, nodes[0].input[1]) for source, nodes in linears(model.graph).items()}
    high = {source: random.uniform(0.1, 10, width).astype(np.float32) for source, width in widths.items()}
    smooth(model, {source: Activation(-value, value, []) for source, value in high.items()}, 127, 0.7)
    attend(model)
    smoothed = kinds(model)
    fold(model.graph)
    assert smoothed["Mul"] - kinds(model)["Mul"] == LAYERS
    merge(model.graph)
    is_same(model, exact, rtol=1e-3, atol=1e-4)
    assert fold(model.graph) == 0


def _width(model: ModelProto, weight: str) -> int:
    return next(int(tensor.dims[0]) for tensor in model.graph.initializer if tensor.name == weight)


def test_an_attention_that_adds_more_than_a_mask_is_left_alone(tiny_traced: Path) -> None:
    """As one with relative positions would: in one layer is enough."""
    model = graph.load(tiny_traced)
    softmax = [node for node in model.graph.node if node.op_type == "Softmax"][-1]
    more = helper.make_node("Add", [softmax.input[0], softmax.input[0]], ["more"], "more")
    softmax.input[0] = "more"
    place = next(i for i, node in enumerate(model.graph.node) if node.name == softmax.name)
    model.graph.node.insert(place, more)
    before = model.SerializeToString()
    assert attend(model) == fold(model.graph) == merge(model.graph) == 0
    assert model.SerializeToString() == before and "attention_mask" in inputs(model)
