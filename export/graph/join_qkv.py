"""Joins the linear layers of queries, keys and values, or moves them into the attention operator.

onnxruntime's `Attention` contains their weights and writes each head where it is needed; `QAttention` is its
int8 form. If queries, keys and values are computed from several tensors, `MultiHeadAttention` stays, and the
layers that read the same tensor are joined into one product.
"""

from math import isclose
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from export.graph.attention import OPERATOR
from export.graph.index import Seen, biased_linear, constant, look, sweep

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

PACKED: Final = "Attention"


class _Linear(NamedTuple):
    product: "NodeProto"
    bias: "NodeProto"


def pack(graph: "GraphProto") -> int:
    """Move linear layers into each attention operator whose layers all read the same tensor, in place.

    Returns:
        The number of attention operators that contain their linear layers now.
    """
    seen = look(graph)
    packed = 0
    for attention in [node for node in graph.node if node.op_type == OPERATOR]:
        for source, linears in _sources(seen, attention).items():
            if len(linears) == len(set(attention.input)) == 3 and _has_usual_scale(seen, attention, linears):
                _pack(graph, seen, attention, source, linears)
                packed += 1
    sweep(graph)
    return packed


def merge(graph: "GraphProto") -> int:
    """Join the linear layers before each attention operator, in place.

    Returns:
        The number of operators that were removed.
    """
    before = len(graph.node)
    seen = look(graph)
    for attention in [node for node in graph.node if node.op_type == OPERATOR]:
        for source, linears in _sources(seen, attention).items():
            if len(linears) > 1:
                _join(graph, seen, source, linears)
    sweep(graph)
    return before - len(graph.node)


def _sources(seen: Seen, attention: "NodeProto") -> dict[str, list[_Linear]]:
    """The linear layers of queries, keys and values, in this order, by the tensor that they read."""
    sources: dict[str, list[_Linear]] = {}
    for tensor in attention.input[:3]:
        product = biased_linear(seen, tensor)
        if product is not None:
            sources.setdefault(product.input[0], []).append(_Linear(product, seen.makers[tensor]))
    return sources


def _has_usual_scale(seen: Seen, attention: "NodeProto", linears: list[_Linear]) -> bool:
    """Whether the scale is one over the root of a head's width, the only one that `QAttention` supports."""
    from onnx import helper

    heads, scale = (helper.get_node_attr_value(attention, name) for name in ("num_heads", "scale"))
    width = int(seen.weights[linears[0].product.input[1]].dims[1]) / heads
    return isclose(scale, width**-0.5, rel_tol=1e-6)


def _pack(
    graph: "GraphProto", seen: Seen, attention: "NodeProto", source: str, linears: list[_Linear]
) -> None:
    from onnx import helper

    attention.CopyFrom(
        helper.make_node(
            PACKED,
            [source, *_side_by_side(graph, seen, linears)],
            list(attention.output),
            linears[0].product.name,  # so that a recipe can leave it in fp32
            domain=attention.domain,
            num_heads=helper.get_node_attr_value(attention, "num_heads"),
        )
    )


def _join(graph: "GraphProto", seen: Seen, source: str, linears: list[_Linear]) -> None:
    from onnx import helper, numpy_helper

    first = linears[0].product
    name = f"{first.output[0]}_merged"
    weight, bias = _side_by_side(graph, seen, linears)
    widths = [seen.weights[each.product.input[1]].dims[1] for each in linears]
    graph.initializer.append(numpy_helper.from_array(np.array(widths, np.int64), f"{name}_widths"))
    nodes = [
        # It keeps the name of the first layer, so that a recipe can leave it in fp32.
        helper.make_node("MatMul", [source, weight], [name], first.name),
        helper.make_node("Add", [name, bias], [f"{name}_biased"], f"{name}/bias"),
        helper.make_node(
            "Split",
            [f"{name}_biased", f"{name}_widths"],
            [each.bias.output[0] for each in linears],
            f"{name}/split",
            axis=-1,
        ),
    ]
    removed = {node.output[0] for each in linears for node in each}
    places = [place for place, node in enumerate(graph.node) if node.output[0] in removed]
    for place in reversed(places):
        del graph.node[place]
    for node in reversed(nodes):
        graph.node.insert(places[0], node)


def _side_by_side(graph: "GraphProto", seen: Seen, linears: list[_Linear]) -> tuple[str, str]:
    """Names of the joined weight and the joined bias of linear layers."""
    from onnx import numpy_helper

    matrices = [numpy_helper.to_array(seen.weights[each.product.input[1]]) for each in linears]
    biases = [numpy_helper.to_array(seen.weights[constant(seen, each.bias)]) for each in linears]
    name = f"{linears[0].product.output[0]}_merged"
    graph.initializer.append(numpy_helper.from_array(np.concatenate(matrices, axis=1), f"{name}_weight"))
    graph.initializer.append(numpy_helper.from_array(np.concatenate(biases), f"{name}_bias"))
    return f"{name}_weight", f"{name}_bias"
