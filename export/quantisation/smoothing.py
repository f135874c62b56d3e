"""Activation smoothing: what is hard to quantise moves from the activations into the weights.

As in SmoothQuant (Xiao et al., 2023), the input of a linear layer is divided, channel by channel, by
`s = max|x|^a / max|w|^(1-a)`, and the rows of its weight are multiplied by it, which leaves the product the
same. The paper has one strength `a` for all layers; here each input has the one that gives the smallest
error of its linear layers' output on the calibration questions.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.graph.trace import insert_after
from export.quantisation.calibration import Activation
from export.quantisation.int8 import linears, symmetric

if TYPE_CHECKING:
    from onnx import ModelProto

STRENGTHS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_LEAST: Final = np.float32(1e-5)
"""Channels that are never used get this much, so that no factor is infinite."""
_U8: Final = np.float32(255)

Matrix = NDArray[np.float32]
Strengths = dict[tuple[str, tuple[str, ...], int], float]
"""The best strength by the input's name, those of its weights, and the integer of the largest: trying the
strengths takes longer than all else, and recipes share the outcome."""


class Smoothed(NamedTuple):
    """What was done to one input."""

    strength: float
    factors: Matrix
    """The input is divided by these, shape (channels,)."""


def smooth(
    model: "ModelProto",
    activations: Mapping[str, Activation] | None,
    largest: int,
    strength: float | None = None,
    spared: frozenset[str] = frozenset(),
    known: Strengths | None = None,
) -> dict[str, Smoothed]:
    """Put a Mul before the linear layers of each input and fold its inverse into their weights, in place.

    Args:
        model: a graph whose linear layers are not quantised yet.
        activations: of every input of a linear layer. Without them (random weights have no outliers and no
            accuracy) the factors follow from the weights alone: the graph costs the same.
        largest: integer that the largest weight of a channel becomes.
        strength: of every input; None for the best for each.
        spared: names of the linear layers to leave alone.
        known: best strengths that were found before in graphs of the same network; gets what is found here.

    Returns:
        What was chosen for each input.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    chosen: dict[str, Smoothed] = {}
    known = {} if known is None else known
    for source, nodes in linears(graph, spared).items():
        matrices = [numpy_helper.to_array(weights[node.input[1]]) for node in nodes]
        joined = np.concatenate(matrices, axis=1)
        if activations is None:
            chosen[source] = Smoothed(0.0, _factors(np.ones(len(joined), np.float32), joined, 0.0))
        else:
            use = strength
            if use is None:
                key = (source, tuple(node.input[1] for node in nodes), largest)
                use = known[key] if key in known else _best(activations[source], joined, largest)
                known[key] = use
            chosen[source] = Smoothed(use, _factors(activations[source].largest, joined, use))
        factors = chosen[source].factors
        for node, matrix in zip(nodes, matrices, strict=True):
            smoothed = numpy_helper.from_array(matrix * factors[:, np.newaxis], node.input[1])
            weights[node.input[1]].CopyFrom(smoothed)
            node.input[0] = f"{source}_smooth"
        inverse = f"{source}_factors"
        graph.initializer.append(numpy_helper.from_array(1 / factors, inverse))
        insert_after(
            graph,
            source,
            helper.make_node("Mul", [source, inverse], [f"{source}_smooth"], f"{source}/smooth"),
        )
    return chosen


def _best(activation: Activation, weight: Matrix, largest: int) -> float:
    exact = [window @ weight for window in activation.windows]
    errors = {}
    for strength in STRENGTHS:
        factors = _factors(activation.largest, weight, strength)
        integers, scale = symmetric(weight * factors[:, np.newaxis], 0, largest)
        rounded = integers * scale
        errors[strength] = sum(
            float(np.square(_rounded(window / factors) @ rounded - wanted).sum())
            for window, wanted in zip(activation.windows, exact, strict=True)
        )
    return min(STRENGTHS, key=errors.__getitem__)


def _factors(activation: Matrix, weight: Matrix, strength: float) -> Matrix:
    """Their geometric mean is 1, so that the sizes of activations and weights stay what they were."""
    largest_weight = np.maximum(np.abs(weight).max(axis=1), _LEAST)
    logs = strength * np.log(np.maximum(activation, _LEAST)) - (1 - strength) * np.log(largest_weight)
    factors: Matrix = np.exp(logs - logs.mean()).astype(np.float32)
    return factors


def _rounded(values: Matrix) -> Matrix:
    """What DynamicQuantizeLinear makes of a tensor, back in float."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = np.float32(high - low or 1.0) / _U8
    zero = np.rint(-np.float32(low) / scale)
    rounded: Matrix = (np.clip(np.rint(values / scale) + zero, 0, _U8) - zero) * scale
    return rounded
