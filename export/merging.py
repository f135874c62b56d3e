"""One linear layer for the queries, keys and values that are made of one tensor: one product, one bias."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from export.attention import OPERATOR
from export.walk import Seen, biased_linear, constant, look, sweep

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


class _Linear(NamedTuple):
    product: "NodeProto"
    bias: "NodeProto"


def merge(graph: "GraphProto") -> int:
    """Join the linear layers before each attention operator, in place.

    Returns:
        How many operators went.
    """
    before = len(graph.node)
    seen = look(graph)
    for attention in [node for node in graph.node if node.op_type == OPERATOR]:
        sources: dict[str, list[_Linear]] = {}
        for tensor in attention.input[:3]:
            product = biased_linear(seen, tensor)
            if product is not None:
                sources.setdefault(product.input[0], []).append(_Linear(product, seen.makers[tensor]))
        for linears in sources.values():
            if len(linears) > 1:
                _join(graph, seen, linears)
    sweep(graph)
    return before - len(graph.node)


def _join(graph: "GraphProto", seen: Seen, linears: list[_Linear]) -> None:
    from onnx import helper, numpy_helper

    first = linears[0].product
    name = f"{first.output[0]}_merged"
    matrices = [numpy_helper.to_array(seen.weights[each.product.input[1]]) for each in linears]
    biases = [numpy_helper.to_array(seen.weights[constant(seen, each.bias)]) for each in linears]
    for tensor, values in (
        (f"{name}_weight", np.concatenate(matrices, axis=1)),
        (f"{name}_bias", np.concatenate(biases)),
        (f"{name}_widths", np.array([len(bias) for bias in biases], np.int64)),
    ):
        graph.initializer.append(numpy_helper.from_array(values, tensor))
    nodes = [
        # It keeps the first layer's name, by which a recipe may spare it.
        helper.make_node("MatMul", [first.input[0], f"{name}_weight"], [name], first.name),
        helper.make_node("Add", [name, f"{name}_bias"], [f"{name}_biased"], f"{name}/bias"),
        helper.make_node(
            "Split",
            [f"{name}_biased", f"{name}_widths"],
            [each.bias.output[0] for each in linears],
            f"{name}/split",
            axis=-1,
        ),
    ]
    gone = {node.output[0] for each in linears for node in each}
    places = [place for place, node in enumerate(graph.node) if node.output[0] in gone]
    for place in reversed(places):
        del graph.node[place]
    for node in reversed(nodes):
        graph.node.insert(places[0], node)
