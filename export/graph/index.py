"""Indexes an ONNX graph: which node makes a tensor, which nodes read it, and what is no longer read."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto


class Seen(NamedTuple):
    """An index of a graph: it does not follow later changes of the graph."""

    makers: "dict[str, NodeProto]"
    readers: "dict[str, list[NodeProto]]"
    weights: "dict[str, TensorProto]"


def look(graph: "GraphProto") -> Seen:
    """Index the makers and readers of tensors, and the weights, of a graph."""
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return Seen(makers, readers, {tensor.name: tensor for tensor in graph.initializer})


def back(seen: Seen, tensor: str, kinds: tuple[str, ...]) -> "NodeProto | None":
    """Follow a tensor back through makers of these kinds; returns the last one, or None if one differs."""
    node = None
    for kind in kinds:
        node = seen.makers.get(tensor)
        if node is None or node.op_type != kind:
            return None
        tensor = variable(seen, node)
    return node


def constant(seen: Seen, node: "NodeProto") -> str:
    """The first weight that a node reads; empty if it reads none."""
    return next((name for name in node.input if name in seen.weights), "")


def variable(seen: Seen, node: "NodeProto") -> str:
    """The first tensor that a node reads and that is not a weight; empty if all are weights."""
    return next((name for name in node.input if name not in seen.weights), "")


def biased_linear(seen: Seen, tensor: str) -> "NodeProto | None":
    """The product of the linear layer that makes a tensor, if both its weight and its bias are constants.

    None unless only the bias reads the product, and no other layer reads the weight.
    """
    bias = seen.makers.get(tensor)
    if bias is None or bias.op_type != "Add" or not constant(seen, bias):
        return None
    product = seen.makers.get(variable(seen, bias))
    if product is None or product.op_type != "MatMul" or product.input[1] not in seen.weights:
        return None
    alone = len(seen.readers[product.output[0]]) == len(seen.readers[product.input[1]]) == 1
    return product if alone else None


def last_numbers(seen: Seen, reshape: "NodeProto", count: int) -> tuple[int, ...] | None:
    """The last numbers in the shape of a Reshape, if they are positive constants; otherwise None."""
    from onnx import numpy_helper

    shape = seen.makers.get(reshape.input[1])
    if shape is None or shape.op_type != "Concat":
        return None
    makers = [seen.makers.get(name) for name in shape.input[-count:]]
    if any(maker is None or maker.op_type != "Constant" for maker in makers):
        return None
    numbers = tuple(int(numpy_helper.to_array(maker.attribute[0].t).ravel()[0]) for maker in makers if maker)
    return numbers if all(number > 0 for number in numbers) else None


def replace(node: "NodeProto", name: str, by: str) -> None:
    """Make a node read another tensor instead of `name`."""
    for place, given in enumerate(node.input):
        if given == name:
            node.input[place] = by


def rewrite(
    graph: "GraphProto", seen: Seen, node: "NodeProto", weight: str, values: NDArray[np.floating[Any]]
) -> None:
    """Make a node read other numbers instead of a weight, which other nodes may share.

    The exporter makes layers share weights whose numbers are equal.
    """
    from onnx import numpy_helper

    tensor = numpy_helper.from_array(values.astype(np.float32), f"{weight}/{node.output[0]}")
    graph.initializer.append(tensor)
    seen.weights[tensor.name] = tensor
    replace(node, weight, tensor.name)


def sweep(graph: "GraphProto") -> None:
    """Remove the nodes and weights that nothing reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input} | {out.name for out in graph.output}
        idle = [node for node in graph.node if not read & set(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    # By index: searching for an equal tensor would compare all numbers.
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name not in read:
            del graph.initializer[place]
