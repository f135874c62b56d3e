"""Constant factors around attention, folded into the linear layers before it: fewer operators, same product.

Two are found. The exporter multiplies queries and keys by the square root of attention's scale, each time
computed from their shape; and smoothing divides what attention gives, channel by channel, which its values
can bring along.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

_TO_HEADS: Final = ("Transpose", "Reshape", "Add")
"""From a head's view of a tensor back to the bias of the linear layer that made it."""
_FROM_HEADS: Final = ("Reshape", "Transpose", "MatMul")
"""From what attention gives, all heads side by side, back to the product with its values."""


class _Graph(NamedTuple):
    makers: "dict[str, NodeProto]"
    readers: "dict[str, list[NodeProto]]"
    weights: "dict[str, TensorProto]"


class _Fold(NamedTuple):
    factor: "NodeProto"
    """The Mul to remove; its first input goes in its place."""
    bias: "NodeProto"
    """The Add behind the linear layer."""
    by: NDArray[np.float32]
    """A scalar, or one number a channel."""


def fold(graph: "GraphProto") -> int:
    """Fold what can be folded, in place.

    Returns:
        How many operators went.
    """
    from onnx import numpy_helper

    before = len(graph.node)
    seen = _look(graph)
    for found in [each for node in graph.node for each in _candidates(seen, node)]:
        linear = seen.makers[_other(found.bias, seen.weights)]
        for node, name in ((linear, linear.input[1]), (found.bias, _constant(found.bias, seen.weights))):
            scaled = numpy_helper.to_array(seen.weights[name]) * found.by
            # A new tensor: the exporter lets layers share a bias whose numbers are equal.
            tensor = numpy_helper.from_array(scaled.astype(np.float32), f"{node.output[0]}_folded")
            graph.initializer.append(tensor)
            seen.weights[tensor.name] = tensor
            _replace(node, name, tensor.name)
        for reader in seen.readers[found.factor.output[0]]:
            _replace(reader, found.factor.output[0], found.factor.input[0])
        graph.node.remove(found.factor)
    _sweep(graph)
    return before - len(graph.node)


def _candidates(seen: _Graph, node: "NodeProto") -> Iterator[_Fold]:
    if node.op_type != "Mul" or len(seen.readers.get(node.output[0], ())) == 0:
        return
    if node.input[1] in seen.weights:
        product = _back(seen, node.input[0], _FROM_HEADS)
        bias = None if product is None else _back(seen, product.input[1], _TO_HEADS)
        if bias is not None and _is_biased_linear(seen, bias):
            from onnx import numpy_helper

            yield _Fold(node, bias, numpy_helper.to_array(seen.weights[node.input[1]]))
    elif _is_scale(seen, node.input[1]):
        bias = _back(seen, node.input[0], _TO_HEADS)
        width = _head_width(seen, node.input[0])
        if bias is not None and width is not None and _is_biased_linear(seen, bias):
            yield _Fold(node, bias, np.array(width**-0.25, np.float32))


def _is_scale(seen: _Graph, tensor: str) -> bool:
    """Whether it is the square root of one over the square root of a width, as torch's attention has it."""
    made = _back(seen, tensor, ("Sqrt", "Cast", "Div"))
    return made is not None and _back(seen, made.input[1], ("Sqrt", "Cast", "Slice", "Shape")) is not None


def _head_width(seen: _Graph, tensor: str) -> int | None:
    """The last number of the shape that a tensor got before its transposition."""
    from onnx import numpy_helper

    reshape = _back(seen, tensor, _TO_HEADS[:2])
    shape = None if reshape is None else seen.makers.get(reshape.input[1])
    last = None if shape is None or shape.op_type != "Concat" else seen.makers.get(shape.input[-1])
    if last is None or last.op_type != "Constant":
        return None
    return int(numpy_helper.to_array(last.attribute[0].t).ravel()[0])


def _back(seen: _Graph, tensor: str, kinds: tuple[str, ...]) -> "NodeProto | None":
    """Follow a tensor to its makers, if they are of these kinds; the last of them."""
    node = None
    for kind in kinds:
        node = seen.makers.get(tensor)
        if node is None or node.op_type != kind:
            return None
        tensor = next((name for name in node.input if name not in seen.weights), "")
    return node


def _is_biased_linear(seen: _Graph, bias: "NodeProto") -> bool:
    made = seen.makers.get(_other(bias, seen.weights))
    return (
        made is not None
        and made.op_type == "MatMul"
        and made.input[1] in seen.weights
        and len(seen.readers[made.input[1]]) == 1
        and _constant(bias, seen.weights) != ""
    )


def _constant(node: "NodeProto", weights: "dict[str, TensorProto]") -> str:
    return next((name for name in node.input if name in weights), "")


def _other(node: "NodeProto", weights: "dict[str, TensorProto]") -> str:
    return next((name for name in node.input if name not in weights), "")


def _look(graph: "GraphProto") -> _Graph:
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return _Graph(makers, readers, {tensor.name: tensor for tensor in graph.initializer})


def _replace(node: "NodeProto", name: str, by: str) -> None:
    for place, given in enumerate(node.input):
        if given == name:
            node.input[place] = by


def _sweep(graph: "GraphProto") -> None:
    """Remove what nobody reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input} | {out.name for out in graph.output}
        idle = [node for node in graph.node if not read & set(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
