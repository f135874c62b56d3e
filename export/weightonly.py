"""4-bit weights, for size: onnxruntime's MatMulNBits, which computes in 8-bit integers block by block."""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from export.quantisation import linears

if TYPE_CHECKING:
    from onnx import ModelProto

BLOCK: Final = 32
"""Weights that share a scale: consecutive inputs of one output channel."""
_BITS: Final = 4
_ZERO: Final = 8
"""The integer that MatMulNBits takes as 0 when it is given no other."""
_DOMAIN: Final = "com.microsoft"
_INTEGER_COMPUTE: Final = 4
"""`accuracy_level`: activations become int8 block by block."""


def quantise_weights_only(model: "ModelProto") -> None:
    """Store the weights of every linear layer but the head in 4 bits, in place.

    They are rounded to the nearest step, which needs no calibration.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for nodes in linears(graph).values():
        for node in nodes:
            name = node.input[1]
            matrix = numpy_helper.to_array(weights[name])
            blocks, scales = four_bits(matrix)
            place = next(i for i, other in enumerate(graph.node) if other.name == node.name)
            packed = helper.make_node(
                "MatMulNBits",
                [node.input[0], f"{name}_u4", f"{name}_scale"],
                list(node.output),
                node.name,
                domain=_DOMAIN,
                K=matrix.shape[0],
                N=matrix.shape[1],
                bits=_BITS,
                block_size=BLOCK,
                accuracy_level=_INTEGER_COMPUTE,
            )
            graph.node[place].CopyFrom(packed)
            graph.initializer.remove(weights[name])
            graph.initializer.append(numpy_helper.from_array(blocks, f"{name}_u4"))
            graph.initializer.append(numpy_helper.from_array(scales.ravel(), f"{name}_scale"))
    model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))


def four_bits(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise a matrix of shape (inputs, outputs) to 0 … 15 in blocks.

    The largest weight of a block becomes -8, so that all sixteen steps are used.

    Returns:
        The integers, two a byte with the earlier in the low half, shape (outputs, blocks, `BLOCK` / 2), and
        the scales, shape (outputs, blocks).
    """
    inputs, outputs = weight.shape
    blocks = -(-inputs // BLOCK)
    padded = np.zeros((outputs, blocks * BLOCK), np.float32)
    padded[:, :inputs] = weight.T
    values = padded.reshape(outputs, blocks, BLOCK)
    place = np.abs(values).argmax(axis=2, keepdims=True)
    scales = (np.take_along_axis(values, place, axis=2) / -_ZERO).astype(np.float32)
    scales[scales == 0] = 1
    integers = np.clip(np.rint(values / scales) + _ZERO, 0, 2 * _ZERO - 1).astype(np.uint8)
    packed: NDArray[np.uint8] = integers[..., 0::2] | integers[..., 1::2] << 4
    return packed, scales.squeeze(2)
