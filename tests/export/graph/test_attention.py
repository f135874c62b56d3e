"""Tests that attention and its linear layers become one operator each, with the same outputs as before."""

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper

from export.graph import trace as graph
from export.graph.attention import OPERATOR, attend
from export.graph.fold_smoothing import fold
from export.graph.join_qkv import PACKED, merge, pack
from export.quantisation.calibration import Activation
from export.quantisation.int8 import LARGEST, Integers, linears, quantise_linears, spared
from export.quantisation.smoothing import smooth
from tests.export.graphs import is_same, kinds, run
from tests.export.tiny_models import LAYERS


def inputs(model: ModelProto) -> list[str]:
    return [tensor.name for tensor in model.graph.input]


def test_attention_is_one_operator_per_layer_and_has_no_mask(tiny_traced: Path) -> None:
    model = graph.load(tiny_traced)
    exact = run(model)
    assert attend(model) == kinds(model)[OPERATOR] == LAYERS and kinds(model)["Softmax"] == 0
    assert inputs(model) == ["input_ids", "token_type_ids"]
    is_same(model, exact)
    assert attend(model) == 0


def test_queries_keys_and_values_come_from_one_linear_layer(tiny_traced: Path) -> None:
    model = graph.load(tiny_traced)
    attend(model)
    exact, before = run(model), kinds(model)
    removed = merge(model.graph)
    assert removed == before.total() - kinds(model).total() == 3 * LAYERS
    assert sorted(len(nodes) for nodes in linears(model.graph).values()) == [1] * 4 * LAYERS
    is_same(model, exact)
    assert merge(model.graph) == 0


def test_attention_can_contain_its_linear_layers(tiny_traced: Path) -> None:
    model = graph.load(tiny_traced)
    exact = run(model)
    attend(model)
    assert pack(model.graph) == kinds(model)[PACKED] == LAYERS and kinds(model)[OPERATOR] == 0
    is_same(model, exact)
    assert pack(model.graph) == merge(model.graph) == 0


def test_attention_of_several_sources_or_another_scale_stays_beside_its_layers(tiny_traced: Path) -> None:
    """Like the values of MobileBERT, and like T5, which does not scale."""
    model = graph.load(tiny_traced)
    attend(model)
    first, second = [node for node in model.graph.node if node.op_type == OPERATOR]
    by_output = {name: node for node in model.graph.node for name in node.output}
    product = next(by_output[name] for name in by_output[first.input[2]].input if name in by_output)
    source = product.input[0]
    product.input[0] = "values"
    graph.insert_after(model.graph, source, helper.make_node("Identity", [source], ["values"]))
    next(each for each in second.attribute if each.name == "scale").f = 1.0
    exact = run(model)
    assert pack(model.graph) == 0 and merge(model.graph) == 1 + 3
    is_same(model, exact)


@pytest.mark.parametrize(
    "integers",
    [Integers(LARGEST), Integers(63), Integers(LARGEST, unsigned=True), Integers(LARGEST, per_channel=False)],
)
def test_packed_attention_is_quantised_as_its_layers_are(tiny_traced: Path, integers: Integers) -> None:
    outputs = []
    for packed in (True, False):
        model = graph.load(tiny_traced)
        attend(model)
        assert packed == bool(packed and pack(model.graph))
        quantise_linears(model, integers)
        assert kinds(model)["QAttention"] == packed * LAYERS and kinds(model)[PACKED] == 0
        outputs.append(run(model))
    for ours, theirs in zip(*outputs, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_a_layer_that_a_recipe_spares_is_still_found(tiny_traced: Path) -> None:
    model = graph.load(tiny_traced)
    kept = spared(model.graph, "last layer")
    attend(model)
    merge(model.graph)
    others = [node.name for nodes in linears(model.graph, kept).values() for node in nodes]
    assert len(others) == 4 * (LAYERS - 1)


def test_packed_attention_that_a_recipe_spares_stays_fp32(tiny_traced: Path) -> None:
    model = graph.load(tiny_traced)
    kept = spared(model.graph, "last layer")
    attend(model)
    pack(model.graph)
    quantise_linears(model, spared=kept)
    assert kinds(model)["QAttention"] == LAYERS - 1 and kinds(model)[PACKED] == 1


def test_smoothing_after_attention_is_folded_into_the_values(tiny_traced: Path) -> None:
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
    """Like attention with relative positions; one such layer is enough."""
    model = graph.load(tiny_traced)
    softmax = [node for node in model.graph.node if node.op_type == "Softmax"][-1]
    more = helper.make_node("Add", [softmax.input[0], softmax.input[0]], ["more"], "more")
    softmax.input[0] = "more"
    place = next(i for i, node in enumerate(model.graph.node) if node.name == softmax.name)
    model.graph.node.insert(place, more)
    before = model.SerializeToString()
    assert attend(model) == fold(model.graph) == merge(model.graph) == 0
    assert model.SerializeToString() == before and "attention_mask" in inputs(model)
