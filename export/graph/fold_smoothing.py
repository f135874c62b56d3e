"""Folds the division of smoothing after attention into its values: one operator fewer per layer.

The output of attention is, channel by channel, a mean of its values. So the linear layer of the values can
include the factors that the input of the next layer is multiplied by, and the product stays the same.
"""

from typing import TYPE_CHECKING

from export.graph.attention import OPERATOR
from export.graph.index import biased_linear, constant, look, replace, rewrite, sweep

if TYPE_CHECKING:
    from onnx import GraphProto

_VALUES = 2
"""Index of the values among the inputs of attention."""


def fold(graph: "GraphProto") -> int:
    """Fold constant factors after attention into the linear layers of its values, in place.

    Returns:
        The number of operators that were removed.
    """
    from onnx import numpy_helper

    before = len(graph.node)
    seen = look(graph)
    for node in list(graph.node):
        attention = seen.makers.get(node.input[0]) if node.op_type == "Mul" else None
        if attention is None or attention.op_type != OPERATOR or node.input[1] not in seen.weights:
            continue
        values = attention.input[_VALUES]
        linear = biased_linear(seen, values)
        if linear is None or len(seen.readers[values]) > 1 or len(seen.readers[node.input[0]]) > 1:
            continue
        by = numpy_helper.to_array(seen.weights[node.input[1]])
        bias = seen.makers[values]
        for reader, name in ((linear, linear.input[1]), (bias, constant(seen, bias))):
            rewrite(graph, seen, reader, name, numpy_helper.to_array(seen.weights[name]) * by)
        for reader in seen.readers[node.output[0]]:
            replace(reader, node.output[0], node.input[0])
    sweep(graph)
    return before - len(graph.node)
