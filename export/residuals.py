"""Skip connections added by the matrix product before them.

A block of these networks ends with a linear layer, its bias, and the sum with what the block was given: two
more walks through memory. onnxruntime's `Gemm` adds its product to a matrix, so it gets the skip connection
to add to. The bias goes into what made that one, and comes off the linear layers that read it as well.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from export.flattening import flatten
from export.merging import PACKED
from export.walk import Seen, biased_linear, constant, look, sweep

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto

_TAKES_BIAS: Final = ("LayerNormalization", "Add")
"""They add a constant last."""


class _Block(NamedTuple):
    product: "NodeProto"
    bias: str
    skip: str


class _Layer(NamedTuple):
    """A linear layer."""

    weight: str
    adds: "NodeProto"
    """What adds its bias."""
    bias: str


def join_residuals(graph: "GraphProto") -> int:
    """Let products add skip connections wherever their bias can go elsewhere, in place.

    Returns:
        How many do.
    """
    from onnx import helper

    seen = look(graph)
    joined: set[str] = set()
    for node in graph.node:
        block = _block(seen, node)
        if block is not None and _move_bias(graph, seen, node, block):
            inputs = [*block.product.input, block.skip]
            node.CopyFrom(helper.make_node("Gemm", inputs, list(node.output), block.product.name))
            joined.add(node.output[0])
    if joined:
        sweep(graph)
        flatten(graph, joined)
    return len(joined)


def _block(seen: Seen, total: "NodeProto") -> _Block | None:
    if total.op_type != "Add" or constant(seen, total):
        return None
    for biased, skip in (tuple(total.input), tuple(reversed(total.input))):
        product = biased_linear(seen, biased)
        if product is not None and len(seen.readers[biased]) == 1 and product.input[0] != skip:
            return _Block(product, constant(seen, seen.makers[biased]), skip)
    return None


def _move_bias(graph: "GraphProto", seen: Seen, total: "NodeProto", block: _Block) -> bool:
    """Move a block's bias into what made its skip connection, if none but linear layers read that."""
    maker = seen.makers.get(block.skip)
    if maker is None or maker.op_type not in _TAKES_BIAS or not constant(seen, maker):
        return False
    readers = [node for node in seen.readers[block.skip] if node.output[0] != total.output[0]]
    layers = [layer for node in readers if (layer := _layer(seen, node)) is not None]
    if len(layers) < len(readers):
        return False
    moved = _values(seen, block.bias)
    last = [name for name in maker.input if name in seen.weights][-1]
    _add(graph, seen, maker, last, moved)
    for layer in layers:
        _add(graph, seen, layer.adds, layer.bias, -moved @ _values(seen, layer.weight))
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


def _add(
    graph: "GraphProto", seen: Seen, node: "NodeProto", weight: str, more: "NDArray[np.float64]"
) -> None:
    """Add to a weight for one node alone: the exporter lets layers share weights whose numbers are equal."""
    from onnx import numpy_helper

    values = (_values(seen, weight) + more).astype(np.float32)
    tensor = numpy_helper.from_array(values, f"{weight}/{node.output[0]}")
    graph.initializer.append(tensor)
    seen.weights[tensor.name] = tensor
    for place, name in enumerate(node.input):
        if name == weight:
            node.input[place] = tensor.name


def _values(seen: Seen, weight: str) -> "NDArray[np.float64]":
    from onnx import numpy_helper

    return numpy_helper.to_array(seen.weights[weight]).astype(np.float64)
