"""Constant factors around attention, folded into the linear layers before it: fewer operators, same product.

Two are found. The exporter multiplies queries and keys by the square root of attention's scale, each time
computed from their shape; and smoothing divides what attention gives, channel by channel, which its values
can bring along.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.walk import Seen, back, constant, last_numbers, look, replace, sweep, variable

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_TO_HEADS: Final = ("Transpose", "Reshape", "Add")
"""From a head's view of a tensor back to the bias of the linear layer that made it."""
_FROM_HEADS: Final = ("Reshape", "Transpose", "MatMul")
"""From what attention gives, all heads side by side, back to the product with its values."""


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
    seen = look(graph)
    for found in [each for node in graph.node for each in _candidates(seen, node)]:
        linear = seen.makers[variable(seen, found.bias)]
        for node, name in ((linear, linear.input[1]), (found.bias, constant(seen, found.bias))):
            scaled = numpy_helper.to_array(seen.weights[name]) * found.by
            # A new tensor: the exporter lets layers share a bias whose numbers are equal.
            tensor = numpy_helper.from_array(scaled.astype(np.float32), f"{node.output[0]}_folded")
            graph.initializer.append(tensor)
            seen.weights[tensor.name] = tensor
            replace(node, name, tensor.name)
        for reader in seen.readers[found.factor.output[0]]:
            replace(reader, found.factor.output[0], found.factor.input[0])
        graph.node.remove(found.factor)
    sweep(graph)
    return before - len(graph.node)


def _candidates(seen: Seen, node: "NodeProto") -> Iterator[_Fold]:
    if node.op_type != "Mul" or len(seen.readers.get(node.output[0], ())) == 0:
        return
    if node.input[1] in seen.weights:
        product = back(seen, node.input[0], _FROM_HEADS)
        bias = None if product is None else back(seen, product.input[1], _TO_HEADS)
        if bias is not None and _is_biased_linear(seen, bias):
            from onnx import numpy_helper

            yield _Fold(node, bias, numpy_helper.to_array(seen.weights[node.input[1]]))
    elif _is_scale(seen, node.input[1]):
        bias = back(seen, node.input[0], _TO_HEADS)
        width = _head_width(seen, node.input[0])
        if bias is not None and width is not None and _is_biased_linear(seen, bias):
            yield _Fold(node, bias, np.array(width**-0.25, np.float32))


def _is_scale(seen: Seen, tensor: str) -> bool:
    """Whether it is the square root of one over the square root of a width, as torch's attention has it."""
    made = back(seen, tensor, ("Sqrt", "Cast", "Div"))
    return made is not None and back(seen, made.input[1], ("Sqrt", "Cast", "Slice", "Shape")) is not None


def _head_width(seen: Seen, tensor: str) -> int | None:
    """The last number of the shape that a tensor got before its transposition."""
    reshape = back(seen, tensor, _TO_HEADS[:2])
    width = None if reshape is None else last_numbers(seen, reshape, 1)
    return None if width is None else width[0]


def _is_biased_linear(seen: Seen, bias: "NodeProto") -> bool:
    made = seen.makers.get(variable(seen, bias))
    return (
        made is not None
        and made.op_type == "MatMul"
        and made.input[1] in seen.weights
        and len(seen.readers[made.input[1]]) == 1
        and constant(seen, bias) != ""
    )
