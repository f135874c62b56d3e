"""Tests that biases move, and that the outputs stay the same."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, helper, numpy_helper

from export.graph import trace as graph
from export.graph.attention import attend
from export.graph.join_qkv import merge, pack
from export.graph.move_biases import move_biases
from tests.export.graphs import is_same, kinds, run
from tests.export.tiny_models import LAYERS


@pytest.fixture
def model(tiny_traced: Path) -> ModelProto:
    """The tiny graph with a separate bias per layer and norm: those of random weights are 0 and shared."""
    model = graph.load(tiny_traced)
    random = np.random.default_rng(5)
    widths = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if node.op_type in ("Add", "LayerNormalization") and len(widths.get(name, ())) == 1:
                node.input[place] = f"own/{node.output[0]}/{place}"
                values = random.normal(0.1, 0.5, tuple(widths[name])).astype(np.float32)
                model.graph.initializer.append(numpy_helper.from_array(values, node.input[place]))
    attend(model)
    return model


def skips(model: ModelProto) -> list[NodeProto]:
    """The sums with skip connections, after attention and after feed-forward layers."""
    weights = {tensor.name for tensor in model.graph.initializer}
    norms = {node.input[0] for node in model.graph.node if node.op_type == "LayerNormalization"}
    sums = [node for node in model.graph.node if node.op_type == "Add" and node.output[0] in norms]
    return [node for node in sums if "embeddings" not in node.name and not weights & set(node.input)]


@pytest.mark.parametrize("packed", [True, False])
def test_the_biases_before_skip_connections_move(model: ModelProto, packed: bool) -> None:
    exact = run(model)
    if packed:
        pack(model.graph)
    else:
        merge(model.graph)
    before = kinds(model)
    assert len(skips(model)) == move_biases(model.graph) == 2 * LAYERS
    assert before - kinds(model) == Counter(Add=2 * LAYERS)
    is_same(model, exact)
    assert move_biases(model.graph) == 0


def test_a_bias_stays_if_something_else_reads_the_skip_connection(model: ModelProto) -> None:
    total = skips(model)[0]
    makers = {name: node for node in model.graph.node for name in node.output}
    skip = next(name for name in total.input if makers[name].op_type == "LayerNormalization")
    norm = next(node for node in model.graph.node if total.output[0] in node.input)
    norm.input[0] = "difference"
    less = helper.make_node("Sub", [total.output[0], skip], ["difference"])
    graph.insert_after(model.graph, total.output[0], less)
    exact = run(model)
    assert move_biases(model.graph) == 2 * LAYERS - 1
    is_same(model, exact)


def test_a_layer_whose_input_is_its_own_skip_connection_keeps_its_bias(model: ModelProto) -> None:
    total = skips(model)[0]
    makers = {name: node for node in model.graph.node for name in node.output}
    place, skip = next(
        (i, name) for i, name in enumerate(total.input) if makers[name].op_type == "LayerNormalization"
    )
    product = makers[next(n for n in makers[total.input[1 - place]].input if n in makers)]
    product.input[0] = skip
    exact = run(model)
    assert move_biases(model.graph) == 2 * LAYERS - 1
    is_same(model, exact)
