"""Walking an ONNX graph: who makes a tensor, who reads it, and what nobody reads any more."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto


class Seen(NamedTuple):
    """A graph as it was when it was looked at."""

    makers: "dict[str, NodeProto]"
    readers: "dict[str, list[NodeProto]]"
    weights: "dict[str, TensorProto]"


def look(graph: "GraphProto") -> Seen:
    """Note the makers, readers and weights of a graph."""
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return Seen(makers, readers, {tensor.name: tensor for tensor in graph.initializer})


def back(seen: Seen, tensor: str, kinds: tuple[str, ...]) -> "NodeProto | None":
    """Follow a tensor to its makers, if they are of these kinds; the last of them."""
    node = None
    for kind in kinds:
        node = seen.makers.get(tensor)
        if node is None or node.op_type != kind:
            return None
        tensor = variable(seen, node)
    return node


def constant(seen: Seen, node: "NodeProto") -> str:
    """The first weight that a node reads; empty where it reads none."""
    return next((name for name in node.input if name in seen.weights), "")


def variable(seen: Seen, node: "NodeProto") -> str:
    """The first tensor that a node reads and that is no weight; empty where all are."""
    return next((name for name in node.input if name not in seen.weights), "")


def biased_linear(seen: Seen, tensor: str) -> "NodeProto | None":
    """The product of the linear layer that makes a tensor, if both its weight and its bias are constants.

    Nobody but its bias reads the product, and no other layer its weight.
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
    """The last numbers of the shape of a Reshape, where the exporter wrote them down."""
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
    """Let a node read another tensor."""
    for place, given in enumerate(node.input):
        if given == name:
            node.input[place] = by


def rewrite(
    graph: "GraphProto", seen: Seen, node: "NodeProto", weight: str, values: NDArray[np.floating[Any]]
) -> None:
    """Let a node read other numbers in place of a weight, which may be shared.

    The exporter lets layers share weights whose numbers are equal.
    """
    from onnx import numpy_helper

    tensor = numpy_helper.from_array(values.astype(np.float32), f"{weight}/{node.output[0]}")
    graph.initializer.append(tensor)
    seen.weights[tensor.name] = tensor
    replace(node, weight, tensor.name)


def sweep(graph: "GraphProto") -> None:
    """Remove what nobody reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input} | {out.name for out in graph.output}
        idle = [node for node in graph.node if not read & set(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    # By place: looking for an equal tensor would compare their numbers.
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name not in read:
            del graph.initializer[place]
