"""Smooths activations: moves large factors, which are hard to quantise, from activations into weights.

As in SmoothQuant (Xiao et al., 2023), the input of a linear layer is divided, channel by channel, by
`s = max|x|^a / max|w|^(1-a)`, and the rows of its weight are multiplied by `s`; so the product is the same.
The paper uses one strength `a` for all layers. Here each input gets the strength with the smallest error of
its linear layers' output on the calibration questions.
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
"""The strengths that are tried for each input."""
_LEAST: Final = np.float32(1e-5)
"""Smallest magnitude of a channel: without it, an unused channel would have an infinite factor."""
_U8: Final = np.float32(255)

Matrix = NDArray[np.float32]
Strengths = dict[tuple[str, tuple[str, ...], int], float]
"""The best strength by the name of the input, the names of its weights, and the largest integer. Trying the
strengths takes longer than everything else, so recipes share the results."""


class Smoothed(NamedTuple):
    """The smoothing of one input."""

    strength: float
    factors: Matrix
    """Factors that the input is divided by, shape (channels,)."""


def smooth(
    model: "ModelProto",
    activations: Mapping[str, Activation] | None,
    largest: int,
    strength: float | None = None,
    spared: frozenset[str] = frozenset(),
    known: Strengths | None = None,
) -> dict[str, Smoothed]:
    """Insert a Mul before the linear layers of each input and fold its inverse into their weights, in place.

    Args:
        model: a graph whose linear layers are not quantised yet.
        activations: the activations of every input of a linear layer. If None (random weights have neither
            outliers nor accuracy), the factors follow from the weights alone; the graph takes as long to run.
        largest: integer that the largest weight of a channel becomes.
        strength: strength for every input; None for the best strength of each input.
        spared: names of the linear layers that stay fp32.
        known: best strengths found before in graphs of the same network; new results are added to it.

    Returns:
        The smoothing of each input, by its name.
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
    """The factors; their geometric mean is 1, so that activations and weights keep their overall size."""
    largest_weight = np.maximum(np.abs(weight).max(axis=1), _LEAST)
    logs = strength * np.log(np.maximum(activation, _LEAST)) - (1 - strength) * np.log(largest_weight)
    factors: Matrix = np.exp(logs - logs.mean()).astype(np.float32)
    return factors


def _rounded(values: Matrix) -> Matrix:
    """A tensor after rounding by DynamicQuantizeLinear, converted back to float."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = np.float32(high - low or 1.0) / _U8
    zero = np.rint(-np.float32(low) / scale)
    rounded: Matrix = (np.clip(np.rint(values / scale) + zero, 0, _U8) - zero) * scale
    return rounded
