"""Moves biases before skip connections to where adding them costs nothing.

A block of these networks ends with a linear layer, its bias, and the sum with the input of the block. The
bias can be added to that input instead, because the node that makes it, a norm or the previous layer, adds a
constant anyway. The linear layers that also read the input then subtract its effect from their own bias. This
saves one pass through memory per block.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from export.graph.index import Seen, biased_linear, constant, look, replace, rewrite, sweep
from export.graph.join_qkv import PACKED

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto

_TAKES_BIAS: Final = ("LayerNormalization", "Add")
"""Operators that add a constant at the end."""


class _Block(NamedTuple):
    product: "NodeProto"
    biased: str
    bias: str
    skip: str


class _Layer(NamedTuple):
    """A linear layer."""

    weight: str
    adds: "NodeProto"
    """The node that adds its bias."""
    bias: str


def move_biases(graph: "GraphProto") -> int:
    """Move the bias of every block that allows it, in place.

    Returns:
        The number of biases that were moved.
    """
    seen = look(graph)
    moved = 0
    for node in graph.node:
        block = _block(seen, node)
        if block is not None and _move(graph, seen, node, block):
            replace(node, block.biased, block.product.output[0])
            moved += 1
    sweep(graph)
    return moved


def _block(seen: Seen, total: "NodeProto") -> _Block | None:
    if total.op_type != "Add" or constant(seen, total):
        return None
    for biased, skip in (tuple(total.input), tuple(reversed(total.input))):
        product = biased_linear(seen, biased)
        if product is not None and len(seen.readers[biased]) == 1 and product.input[0] != skip:
            return _Block(product, biased, constant(seen, seen.makers[biased]), skip)
    return None


def _move(graph: "GraphProto", seen: Seen, total: "NodeProto", block: _Block) -> bool:
    """Move the bias into the node that makes the skip connection, if only linear layers also read that."""
    maker = seen.makers.get(block.skip)
    if maker is None or maker.op_type not in _TAKES_BIAS or not constant(seen, maker):
        return False
    readers = [node for node in seen.readers[block.skip] if node.output[0] != total.output[0]]
    layers = [layer for node in readers if (layer := _layer(seen, node)) is not None]
    if len(layers) < len(readers):
        return False
    moved = _values(seen, block.bias)
    last = [name for name in maker.input if name in seen.weights][-1]
    rewrite(graph, seen, maker, last, _values(seen, last) + moved)
    for layer in layers:
        less = moved @ _values(seen, layer.weight)
        rewrite(graph, seen, layer.adds, layer.bias, _values(seen, layer.bias) - less)
    return True


def _layer(seen: Seen, reader: "NodeProto") -> _Layer | None:
    if reader.op_type == PACKED:
        return _Layer(reader.input[1], reader, reader.input[2])
    if reader.op_type != "MatMul" or reader.input[1] not in seen.weights:
        return None
    after = seen.readers[reader.output[0]]
    if len(after) > 1 or after[0].op_type != "Add" or not constant(seen, after[0]):
        return None
    return _Layer(reader.input[1], after[0], constant(seen, after[0]))


def _values(seen: Seen, weight: str) -> "NDArray[np.float64]":
    from onnx import numpy_helper

    return numpy_helper.to_array(seen.weights[weight]).astype(np.float64)
