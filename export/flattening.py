"""Matrices for `Gemm`: tokens laid flat, (batch x tokens, width).

onnxruntime copies nothing to lay a tensor flat, but every operator costs some microseconds. So norms, which
stand between a product and all its readers, work on matrices too.
"""

from collections.abc import Set
from typing import TYPE_CHECKING, Final

import numpy as np

from export.walk import Seen, look, replace

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_NORM: Final = "LayerNormalization"
_ELEMENTWISE: Final = ("Add", "Mul")
_IDS: Final = "input_ids"
_SHAPE: Final = "flattening/shape"
_WIDTH: Final = "flattening/width"


def flatten(graph: "GraphProto", products: Set[str]) -> None:
    """Give operators matrices whose inputs have the shape (batch, tokens, width), in place.

    Args:
        graph: of a network that reads `input_ids` of shape (batch, tokens).
        products: what these operators make.
    """
    from onnx import numpy_helper

    flattening = _Flattening(graph, products)
    for node in list(graph.node):
        flattening.take(node)
    for output in graph.output:
        flattening.restore(output.name)
    del graph.node[:]
    graph.node.extend(flattening.nodes)
    graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), _WIDTH))


class _Flattening:
    """The nodes so far, and which of their tensors are flat."""

    def __init__(self, graph: "GraphProto", products: Set[str]) -> None:
        self._seen = look(graph)
        self._products = products
        self._flat: dict[str, str] = {}
        """The flat form of a tensor, by its name."""
        self._whole: set[str] = set()
        """What exists in its own shape."""
        self.nodes: list[NodeProto] = []

    def take(self, node: "NodeProto") -> None:
        """Append a node, and before it what its inputs need."""
        variable = [name for name in node.input if name and name not in self._seen.weights]
        result = node.output[0]
        if result in self._products:
            for name in variable:
                self._lay_flat(name)
        elif not (_is_tokenwise(node, self._seen) and variable and self._flat.keys() >= set(variable)):
            for name in variable:
                if name in self._flat:
                    self.restore(name)
            self.nodes.append(node)
            self._whole.update(node.output)
            return
        for name in variable:
            replace(node, name, self._flat[name])
        self._flat[result] = node.output[0] = f"{result}/flat"
        self.nodes.append(node)

    def restore(self, tensor: str) -> None:
        """Bring a tensor that is only flat into its own shape."""
        if tensor in self._whole:
            return
        if _SHAPE not in self._whole:
            self._append("Shape", [_IDS], f"{_SHAPE}/ids")
            self._append("Concat", [f"{_SHAPE}/ids", _WIDTH], _SHAPE, axis=0)
        self._append("Reshape", [self._flat[tensor], _SHAPE], tensor)

    def _lay_flat(self, tensor: str) -> None:
        if tensor not in self._flat:
            self._flat[tensor] = f"{tensor}/flat"
            self._append("Flatten", [tensor], self._flat[tensor], axis=2)

    def _append(self, kind: str, inputs: list[str], output: str, axis: int | None = None) -> None:
        from onnx import helper

        # An attribute that is None is left out.
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{output}/made", axis=axis))
        self._whole.add(output)


def _is_tokenwise(node: "NodeProto", seen: Seen) -> bool:
    """Whether it treats each token alike, if all else that it reads is constant."""
    if node.op_type == _NORM:
        return all(each.i == -1 for each in node.attribute if each.name == "axis")
    constants = [seen.weights[name] for name in node.input if name in seen.weights]
    return node.op_type in _ELEMENTWISE and all(len(constant.dims) == 1 for constant in constants)
