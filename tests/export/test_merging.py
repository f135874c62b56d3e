"""Queries, keys and values come from one linear layer, and stay what they were."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from export import graph
from export.folding import fold
from export.merging import merge
from export.quantisation import linears, spared
from tests.export.graphs import run
from tests.export.models import LAYERS


@pytest.mark.parametrize("folded", [False, True])
def test_three_linear_layers_become_one(tiny_bundle: Path, folded: bool) -> None:
    model = graph.load(tiny_bundle / "model.onnx")
    if folded:
        fold(model.graph)
    exact, before = run(model), Counter(node.op_type for node in model.graph.node)
    gone = merge(model.graph)
    after = Counter(node.op_type for node in model.graph.node)
    assert gone == before.total() - after.total() > 0
    if folded:
        assert sorted(len(nodes) for nodes in linears(model.graph).values()) == [1] * 4 * LAYERS
        # queries, keys and values, what is turned of keys, and the way back
        assert after["Transpose"] == 3 * LAYERS
    for ours, theirs in zip(run(model), exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert merge(model.graph) == 0


def test_a_layer_that_a_recipe_spares_is_still_found(tiny_bundle: Path) -> None:
    model = graph.load(tiny_bundle / "model.onnx")
    kept = spared(model.graph, "last layer")
    fold(model.graph)
    merge(model.graph)
    left = [node.name for nodes in linears(model.graph, kept).values() for node in nodes]
    assert len(left) == 4 * (LAYERS - 1)
