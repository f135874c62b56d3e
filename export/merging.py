"""One linear layer for all that reads one tensor on its way to attention's heads, and fixed shapes there.

The exporter gives queries, keys and values a linear layer each, and computes the shapes of their heads anew
each time. Joined, they are one larger product, one bias and one transposition. Shapes that a network's
configuration decides become constants, with 0 for "as the input has it".
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from export.walk import Seen, back, constant, last_numbers, look, replace, sweep

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_HEADS_FIRST: Final = [0, 2, 1, 3]
"""The transposition from (batch, tokens, heads, width), and back."""
_HEADS_FIRST_TURNED: Final = [0, 2, 3, 1]
"""That of keys, ready to be multiplied."""
_TURNED: Final = [0, 1, 3, 2]


class _Way(NamedTuple):
    """From one tensor to its heads."""

    linear: "NodeProto"
    bias: "NodeProto"
    transpose: "NodeProto"
    heads: tuple[int, int]
    """How many, and their width."""
    turned: bool


def merge(graph: "GraphProto") -> int:
    """Join the linear layers before attention, in place.

    Returns:
        How many operators went.
    """
    from onnx import helper, numpy_helper

    before = len(graph.node)
    seen = look(graph)
    groups: dict[tuple[str, tuple[int, int]], list[_Way]] = {}
    for way in _ways(graph, seen):
        groups.setdefault((way.linear.input[0], way.heads), []).append(way)
    for (source, (count, width)), ways in groups.items():
        if len(ways) == 1:
            continue
        name = f"{ways[0].linear.output[0]}_merged"
        matrices = [numpy_helper.to_array(seen.weights[way.linear.input[1]]) for way in ways]
        biases = [numpy_helper.to_array(seen.weights[constant(seen, way.bias)]) for way in ways]
        shape = np.array([0, 0, len(ways) * count, width], np.int64)
        for tensor, values in (
            (f"{name}_weight", np.concatenate(matrices, axis=1)),
            (f"{name}_bias", np.concatenate(biases)),
            (f"{name}_shape", shape),
        ):
            graph.initializer.append(numpy_helper.from_array(values, tensor))
        parts = [
            f"{name}_{place}" if way.turned else way.transpose.output[0] for place, way in enumerate(ways)
        ]
        nodes = [
            # It keeps the first layer's name, by which a recipe may spare it.
            helper.make_node("MatMul", [source, f"{name}_weight"], [name], ways[0].linear.name),
            helper.make_node("Add", [name, f"{name}_bias"], [f"{name}_biased"], f"{name}/bias"),
            helper.make_node(
                "Reshape", [f"{name}_biased", f"{name}_shape"], [f"{name}_wide"], f"{name}/heads"
            ),
            helper.make_node(
                "Transpose", [f"{name}_wide"], [f"{name}_first"], f"{name}/first", perm=_HEADS_FIRST
            ),
            helper.make_node(
                "Split", [f"{name}_first"], parts, f"{name}/split", axis=1, num_outputs=len(ways)
            ),
            *(
                helper.make_node("Transpose", [part], [way.transpose.output[0]], f"{part}/turn", perm=_TURNED)
                for part, way in zip(parts, ways, strict=True)
                if way.turned
            ),
        ]
        gone = {node.output[0] for way in ways for node in (way.linear, way.transpose)}
        places = [place for place, node in enumerate(graph.node) if node.output[0] in gone]
        for place in reversed(places):
            del graph.node[place]
        for node in reversed(nodes):
            graph.node.insert(places[0], node)
    _fix_shapes(graph)
    sweep(graph)
    return before - len(graph.node)


def _ways(graph: "GraphProto", seen: Seen) -> Iterator[_Way]:
    for node in graph.node:
        order = _order(node)
        if order not in (_HEADS_FIRST, _HEADS_FIRST_TURNED):
            continue
        bias = back(seen, node.output[0], ("Transpose", "Reshape", "Add"))
        linear = back(seen, node.output[0], ("Transpose", "Reshape", "Add", "MatMul"))
        heads = last_numbers(seen, seen.makers[node.input[0]], 2) if bias is not None else None
        if bias is None or linear is None or heads is None:
            continue
        if linear.input[1] not in seen.weights or not constant(seen, bias):
            continue
        alone = all(len(seen.readers[each.output[0]]) == 1 for each in (linear, bias))
        matrix = seen.weights[linear.input[1]]
        if alone and len(matrix.dims) == 2 and matrix.dims[1] == heads[0] * heads[1]:
            yield _Way(linear, bias, node, (heads[0], heads[1]), order == _HEADS_FIRST_TURNED)


def _fix_shapes(graph: "GraphProto") -> None:
    """Where attention's heads are put side by side again: (batch, tokens, all)."""
    from onnx import numpy_helper

    seen = look(graph)
    for node in graph.node:
        if node.op_type != "Reshape":
            continue
        transpose = back(seen, node.input[0], ("Transpose",))
        width = last_numbers(seen, node, 1)
        if transpose is None or _order(transpose) != _HEADS_FIRST or width is None:
            continue
        if back(seen, transpose.input[0], ("MatMul",)) is not None and _dimensions(seen, node) == 3:
            fixed = numpy_helper.from_array(np.array([0, 0, *width], np.int64), f"{node.output[0]}_shape")
            graph.initializer.append(fixed)
            replace(node, node.input[1], fixed.name)


def _order(node: "NodeProto") -> list[int] | None:
    if node.op_type != "Transpose":
        return None
    return next((list(each.ints) for each in node.attribute if each.name == "perm"), None)


def _dimensions(seen: Seen, reshape: "NodeProto") -> int | None:
    shape = seen.makers.get(reshape.input[1])
    return None if shape is None or shape.op_type != "Concat" else len(shape.input)
