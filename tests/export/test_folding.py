"""Folding keeps the product and takes operators away."""

from collections import Counter
from pathlib import Path

import numpy as np
from onnx import ModelProto

from export import graph
from export.calibration import Activation
from export.folding import fold
from export.quantisation import linears
from export.smoothing import smooth
from tests.export.graphs import run
from tests.export.models import LAYERS


def kinds(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_the_scale_of_attention_goes_into_queries_and_keys(tiny_bundle: Path) -> None:
    model = graph.load(tiny_bundle / "model.onnx")
    exact, before = run(model), kinds(model)
    gone = fold(model.graph)
    after = kinds(model)
    assert before["Sqrt"] == 3 * LAYERS and after["Sqrt"] == 0
    assert before["Mul"] - after["Mul"] == 2 * LAYERS and gone == before.total() - after.total()
    for ours, theirs in zip(run(model), exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert fold(model.graph) == 0


def test_what_smoothing_divides_behind_attention_goes_into_the_values(tiny_bundle: Path) -> None:
    model = graph.load(tiny_bundle / "model.onnx")
    exact = run(model)
    random = np.random.default_rng(4)
    widths = {source: _width(model, nodes[0].input[1]) for source, nodes in linears(model.graph).items()}
    high = {source: random.uniform(0.1, 10, width).astype(np.float32) for source, width in widths.items()}
    smooth(model, {source: Activation(-value, value, []) for source, value in high.items()}, 127, 0.7)
    smoothed = kinds(model)
    fold(model.graph)
    # two scales and the smoothing of what attention gives, a layer
    assert smoothed["Mul"] - kinds(model)["Mul"] == 3 * LAYERS
    for ours, theirs in zip(run(model), exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def _width(model: ModelProto, weight: str) -> int:
    return next(int(tensor.dims[0]) for tensor in model.graph.initializer if tensor.name == weight)
