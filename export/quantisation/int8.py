"""Quantises an ONNX graph to 8 bits, with operators that onnxruntime has or fuses when it loads a graph.

A linear layer becomes DynamicQuantizeLinear and MatMulInteger, scaled back to float, as in onnxruntime's own
quantiser. Unlike that quantiser, this one gives each row of an embedding its own scale, does not change the
question-answering head, and keeps only one copy of the model in memory.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.graph.join_qkv import PACKED
from export.graph.trace import declare

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

HEAD: Final = "qa_outputs"
"""Part of the names of the head, which stays fp32: it decides the span, and is a thousandth of the work."""
LARGEST: Final = 127
"""Largest integer of 8 bits that weights use."""
_MIN_TABLE_ROWS: Final = 4096
"""Smallest number of rows of a table to quantise; tables of positions and segments are smaller."""
_DOMAIN: Final = "com.microsoft"
_MIDDLE: Final = 128
"""Integer that represents 0 among unsigned weights."""

Spared = Literal["last layer", "attention outputs", "feed-forward outputs"]
_PLACES: Final[dict[Spared, re.Pattern[str]]] = {
    "attention outputs": re.compile(r"/attention/(output/dense|out_lin)/"),
    "feed-forward outputs": re.compile(r"(?<!attention)/output/dense/|/ffn/lin2/"),
}
_LAYER: Final = re.compile(r"/layer\.(\d+)/")


class Integers(NamedTuple):
    """The integers that weights are quantised to."""

    largest: int
    """Integer that the largest magnitude of a channel or tensor becomes."""
    unsigned: bool = False
    """Whether the integers are stored as u8, with 128 for 0."""
    per_channel: bool = True
    """Whether each output channel has its own scale; otherwise one scale is used for all."""


class Range(NamedTuple):
    """The fixed scale and zero point of one activation."""

    scale: np.float32
    zero: NDArray[Any]
    """Zero point: a scalar, u8 or s8."""


def linears(graph: "GraphProto", spared: frozenset[str] = frozenset()) -> "dict[str, list[NodeProto]]":
    """The linear layers by the tensor that they read: each MatMul with a constant weight, except the head's.

    Args:
        graph: graph of a network.
        spared: names of nodes to leave out.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        if _is_linear(node, weights) and node.name not in spared:
            found.setdefault(node.input[0], []).append(node)
    return found


def spared(graph: "GraphProto", kind: Spared | None) -> frozenset[str]:
    """Names of the linear layers of a kind that stays fp32; empty for None."""
    names = [node.name for nodes in linears(graph).values() for node in nodes]
    if kind is None:
        return frozenset()
    if kind == "last layer":
        layers = {name: int(found[1]) for name in names if (found := _LAYER.search(name))}
        return frozenset(name for name, layer in layers.items() if layer == max(layers.values()))
    return frozenset(name for name in names if _PLACES[kind].search(name))


def quantise_linears(
    model: "ModelProto",
    integers: Integers = Integers(LARGEST),  # noqa: B008  # frozen
    spared: frozenset[str] = frozenset(),
    fixed: Mapping[str, Range] | None = None,
) -> None:
    """Quantise the weights of linear layers to 8 bits, in place: also inside attention, but not the head.

    Activations become u8, with a fixed range or with that of each tensor at run time. Layers that read the
    same tensor share its quantisation.

    Args:
        model: the model to change in place.
        integers: the integers that weights become.
        spared: names of the linear layers that stay fp32.
        fixed: the range of each input; None to use that of each tensor at run time.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    quantised_inputs: dict[str, None] = {}
    quantised_weights: dict[str, None] = {}
    for node in graph.node:
        packed = node.op_type == PACKED
        if not (packed or _is_linear(node, weights)) or node.name in spared:
            nodes.append(node)
            continue
        source, weight, *_ = node.input
        scale_and_zero = [f"{source}_scale", f"{source}_zero"]
        if source not in quantised_inputs:
            quantised_inputs[source] = None
            kind, given, made = ("DynamicQuantizeLinear", [], scale_and_zero)
            if fixed is not None:
                kind, given, made = ("QuantizeLinear", scale_and_zero, [])
            nodes.append(
                helper.make_node(kind, [source, *given], [f"{source}_q", *made], f"{source}/quantise")
            )
        if packed:
            nodes.append(_integer_attention(node))
        elif fixed is None:
            nodes.extend(_integer_linear(node, source, weight))
        else:
            nodes.append(_fixed(node))
        quantised_weights[weight] = None
    _set_nodes(graph, nodes)
    for weight in quantised_weights:
        values, scale = symmetric(
            numpy_helper.to_array(weights[weight]), 0 if integers.per_channel else None, integers.largest
        )
        parts: dict[str, NDArray[Any]] = {"q": values, "zero": np.zeros(scale.shape, np.int8)}
        if integers.unsigned:
            parts = {name: (part.astype(np.int16) + _MIDDLE).astype(np.uint8) for name, part in parts.items()}
        _replace(graph, weight, parts | {"scale": scale})
    if fixed is not None:
        for source in quantised_inputs:
            graph.initializer.append(
                numpy_helper.from_array(np.array(fixed[source].scale), f"{source}_scale")
            )
            graph.initializer.append(numpy_helper.from_array(fixed[source].zero, f"{source}_zero"))
        declare(model, _DOMAIN)


def quantise_embeddings(model: "ModelProto") -> None:
    """Quantise large embedding tables to s8 with one scale per row, in place."""
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
    weight: NDArray[np.float32], axis: int | None, largest: int = LARGEST
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise a matrix to [-largest, largest], with one scale per vector along `axis`, or one for None.

    Returns:
        The integers, in the shape of the weight, and the scales.
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
        [f"{source}_q", f"{weight}_q", f"{source}_zero", f"{weight}_zero"],
        [f"{out}_s32"],
        f"{node.name}/integer",
    )
    yield helper.make_node("Cast", [f"{out}_s32"], [f"{out}_cast"], f"{node.name}/cast", to=TensorProto.FLOAT)
    yield helper.make_node(
        "Mul", [f"{source}_scale", f"{weight}_scale"], [f"{out}_scale"], f"{node.name}/scales"
    )
    yield helper.make_node("Mul", [f"{out}_cast", f"{out}_scale"], [out], f"{node.name}/scaled")


def _integer_attention(node: "NodeProto") -> "NodeProto":
    from onnx import helper

    source, weight, bias = node.input
    scales = [f"{source}_scale", f"{weight}_scale"]
    zeros = [f"{source}_zero", f"{weight}_zero"]
    quantised = helper.make_node(
        f"Q{PACKED}",
        [f"{source}_q", f"{weight}_q", bias, *scales, "", *zeros],  # no mask
        list(node.output),
        node.name,
        domain=_DOMAIN,
    )
    quantised.attribute.extend(node.attribute)
    return quantised


def _fixed(node: "NodeProto") -> "NodeProto":
    # One operator: with constant scales, onnxruntime would fold their product and miss the pattern.
    from onnx import helper

    source, weight = node.input
    names = (
        f"{source}_q",
        f"{weight}_q",
        *(f"{of}_{part}" for part in ("scale", "zero") for of in node.input),
    )
    return helper.make_node("MatMulIntegerToFloat", names, node.output, node.name, domain=_DOMAIN)


def _replace(graph: "GraphProto", name: str, parts: dict[str, NDArray[Any]]) -> None:
    """Replace a weight by the parts of its quantised form."""
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
