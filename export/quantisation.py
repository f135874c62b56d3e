"""Dynamic 8-bit quantisation of an ONNX graph, in the operators that onnxruntime fuses when it loads.

A linear layer becomes DynamicQuantizeLinear and MatMulInteger, scaled back to float: onnxruntime's own
quantiser emits the same. Unlike it, this one gives each row of an embedding its own scale, leaves the
question-answering head alone, takes a whole weight at a time and holds one copy of the model in memory.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

HEAD: Final = "qa_outputs"
"""Stays fp32: it decides the span, and is a thousandth of the work."""
LARGEST: Final = 127
_MIN_TABLE_ROWS: Final = 4096
"""Tables of positions and segments are shorter, and too small to be worth an error."""


def linears(graph: "GraphProto") -> "dict[str, list[NodeProto]]":
    """The linear layers, by the tensor that they read: every MatMul with a constant weight but the head's."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        if _is_linear(node, weights):
            found.setdefault(node.input[0], []).append(node)
    return found


def quantise_linears(model: "ModelProto", largest: int = LARGEST) -> None:
    """Give every linear layer but the head s8 weights per output channel, in place.

    Activations become u8, with the range of each tensor as it comes. Layers that read the same tensor share
    its quantisation.

    Args:
        model: changed in place.
        largest: integer that the largest weight of a channel becomes.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    quantised_inputs: set[str] = set()
    quantised_weights: dict[str, None] = {}
    for node in graph.node:
        if not _is_linear(node, weights):
            nodes.append(node)
            continue
        source, weight = node.input
        if source not in quantised_inputs:
            quantised_inputs.add(source)
            nodes.append(
                helper.make_node(
                    "DynamicQuantizeLinear",
                    [source],
                    [f"{source}_u8", f"{source}_scale", f"{source}_zero"],
                    f"{source}/quantise",
                )
            )
        nodes.extend(_integer_linear(node, source, weight))
        quantised_weights[weight] = None
    _set_nodes(graph, nodes)
    for weight in quantised_weights:
        integers, scale = symmetric(numpy_helper.to_array(weights[weight]), 0, largest)
        zero = np.zeros(scale.shape, np.int8)
        _replace(graph, weight, {"s8": integers, "scale": scale, "zero": zero})


def quantise_embeddings(model: "ModelProto") -> None:
    """Store large embedding tables as s8 with a scale per row, in place."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    tables: dict[str, None] = {}
    for node in graph.node:
        table = node.input[0] if node.op_type == "Gather" else ""
        if table not in weights or not _is_large_table(weights[table]):
            nodes.append(node)
            continue
        out = node.output[0]
        nodes += [
            helper.make_node("Gather", [f"{table}_s8", node.input[1]], [f"{out}_s8"], f"{node.name}/rows"),
            helper.make_node(
                "Cast", [f"{out}_s8"], [f"{out}_cast"], f"{node.name}/cast", to=TensorProto.FLOAT
            ),
            helper.make_node(
                "Gather", [f"{table}_scale", node.input[1]], [f"{out}_scale"], f"{node.name}/scales"
            ),
            helper.make_node("Mul", [f"{out}_cast", f"{out}_scale"], [out], f"{node.name}/scaled"),
        ]
        tables[table] = None
    _set_nodes(graph, nodes)
    for table in tables:
        integers, scale = symmetric(numpy_helper.to_array(weights[table]), axis=1)
        _replace(graph, table, {"s8": integers, "scale": scale[:, np.newaxis]})


def symmetric(
    weight: NDArray[np.float32], axis: int, largest: int = LARGEST
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise a matrix to [-largest, largest], with one scale for each vector along `axis`.

    Returns:
        The integers, of the weight's shape, and the scales.
    """
    scale = np.abs(weight).max(axis=axis, keepdims=True) / np.float32(largest)
    scale[scale == 0] = 1
    integers = np.clip(np.rint(weight / scale), -largest, largest).astype(np.int8)
    return integers, scale.squeeze(axis)


def _is_linear(node: "NodeProto", weights: "dict[str, TensorProto]") -> bool:
    return (
        node.op_type == "MatMul"
        and node.input[1] in weights
        and len(weights[node.input[1]].dims) == 2
        and HEAD not in node.name
    )


def _is_large_table(tensor: "TensorProto") -> bool:
    return len(tensor.dims) == 2 and tensor.dims[0] >= _MIN_TABLE_ROWS


def _integer_linear(node: "NodeProto", source: str, weight: str) -> "Iterator[NodeProto]":
    from onnx import TensorProto, helper

    out = node.output[0]
    yield helper.make_node(
        "MatMulInteger",
        [f"{source}_u8", f"{weight}_s8", f"{source}_zero", f"{weight}_zero"],
        [f"{out}_s32"],
        f"{node.name}/integer",
    )
    yield helper.make_node("Cast", [f"{out}_s32"], [f"{out}_cast"], f"{node.name}/cast", to=TensorProto.FLOAT)
    yield helper.make_node(
        "Mul", [f"{source}_scale", f"{weight}_scale"], [f"{out}_scale"], f"{node.name}/scales"
    )
    yield helper.make_node("Mul", [f"{out}_cast", f"{out}_scale"], [out], f"{node.name}/scaled")


def _replace(graph: "GraphProto", name: str, parts: dict[str, NDArray[Any]]) -> None:
    """Put the parts of a quantised weight in its place."""
    from onnx import numpy_helper

    place = next(i for i, tensor in enumerate(graph.initializer) if tensor.name == name)
    del graph.initializer[place]
    graph.initializer.extend(
        numpy_helper.from_array(array, f"{name}_{part}") for part, array in parts.items()
    )


def _set_nodes(graph: "GraphProto", nodes: "list[NodeProto]") -> None:
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)
