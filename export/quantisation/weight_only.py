"""Quantises weights to 4 or 8 bits in blocks, for onnxruntime's MatMulNBits with 8-bit integer arithmetic."""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from export.graph.trace import declare
from export.quantisation.int8 import linears

if TYPE_CHECKING:
    from onnx import ModelProto

BLOCK: Final = 32
"""Number of weights that share a scale: consecutive inputs of one output channel."""
_DOMAIN: Final = "com.microsoft"
_INTEGER_COMPUTE: Final = 4
"""Value of `accuracy_level` with which activations become int8 block by block."""


def quantise_weights_only(
    model: "ModelProto", bits: int = 4, block: int = BLOCK, spared: frozenset[str] = frozenset()
) -> None:
    """Quantise the weights of every linear layer except the head to 4 or 8 bits, in place.

    Weights are rounded to the nearest step, which needs no calibration.

    Args:
        model: the model to change in place.
        bits: bits per weight, 4 or 8.
        block: number of weights that share a scale.
        spared: names of the linear layers that stay fp32.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for nodes in linears(graph, spared).values():
        for node in nodes:
            name = node.input[1]
            matrix = numpy_helper.to_array(weights[name])
            blocks, scales = packed(matrix, bits, block)
            place = next(i for i, other in enumerate(graph.node) if other.name == node.name)
            quantised = helper.make_node(
                "MatMulNBits",
                [node.input[0], f"{name}_u{bits}", f"{name}_scale"],
                list(node.output),
                node.name,
                domain=_DOMAIN,
                K=matrix.shape[0],
                N=matrix.shape[1],
                bits=bits,
                block_size=block,
                accuracy_level=_INTEGER_COMPUTE,
            )
            graph.node[place].CopyFrom(quantised)
            graph.initializer.remove(weights[name])
            graph.initializer.append(numpy_helper.from_array(blocks, f"{name}_u{bits}"))
            graph.initializer.append(numpy_helper.from_array(scales.ravel(), f"{name}_scale"))
    declare(model, _DOMAIN)


def packed(
    weight: NDArray[np.float32], bits: int = 4, block: int = BLOCK
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise a matrix of shape (inputs, outputs) to 0 … 2^bits - 1 in blocks.

    The largest weight of a block becomes the lowest step, so that all steps are used. The middle integer
    represents 0, which is the default of MatMulNBits.

    Returns:
        The integers, of shape (outputs, blocks, bytes of a block), and the scales, of shape (outputs,
        blocks). With 4 bits, each byte holds two integers, the first one in the low half.
    """
    zero = 2 ** (bits - 1)
    inputs, outputs = weight.shape
    blocks = -(-inputs // block)
    padded = np.zeros((outputs, blocks * block), np.float32)
    padded[:, :inputs] = weight.T
    values = padded.reshape(outputs, blocks, block)
    place = np.abs(values).argmax(axis=2, keepdims=True)
    scales = (np.take_along_axis(values, place, axis=2) / -zero).astype(np.float32)
    scales[scales == 0] = 1
    integers = np.clip(np.rint(values / scales) + zero, 0, 2 * zero - 1).astype(np.uint8)
    if bits == 4:
        integers = integers[..., 0::2] | integers[..., 1::2] << 4
    return integers, scales.squeeze(2)
