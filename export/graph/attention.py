"""Replaces attention by one operator of onnxruntime, without a mask.

The exporter writes attention as many operators: it separates the heads, multiplies queries by keys, scales,
adds the mask, takes the softmax, multiplies by the values, and joins the heads. onnxruntime's
`MultiHeadAttention` computes this block by block within the processor's cache, but only without a mask. The
window of a question is never padded, so its mask has no effect: the mask and the graph's input
`attention_mask` are removed.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from export.graph.index import Seen, back, last_numbers, look, sweep
from export.graph.trace import declare

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MASK: Final = "attention_mask"
OPERATOR: Final = "MultiHeadAttention"
_DOMAIN: Final = "com.microsoft"
_TO_HEADS: Final = (0, 2, 1, 3)
"""The transposition from (batch, tokens, heads, width) to heads first, and back."""
_TO_HEADS_TURNED: Final = (0, 2, 3, 1)
"""The transposition of keys, which queries are multiplied by."""


class _Attention(NamedTuple):
    softmax: "NodeProto"
    queries: str
    keys: str
    values: str
    """Tensors of shape (batch, tokens, heads x width)."""
    heads: int
    scale: float
    result: "NodeProto"
    """The Reshape that puts the heads side by side again."""


def attend(model: "ModelProto") -> int:
    """Replace the attention of every layer by the operator, in place, or that of no layer.

    Returns:
        The number of layers that have the operator now; 0 for another kind of attention, whose graph is not
        changed.
    """
    from onnx import helper

    graph = model.graph
    seen = look(graph)
    softmaxes = [node for node in graph.node if node.op_type == "Softmax"]
    found = [each for node in softmaxes if (each := _attention(seen, node)) is not None]
    if not found or len(found) < len(softmaxes):
        return 0
    for each in found:
        place = next(i for i, node in enumerate(graph.node) if node.output[0] == each.result.output[0])
        node = helper.make_node(
            OPERATOR,
            [each.queries, each.keys, each.values],
            [each.result.output[0]],
            f"{each.softmax.name}/attention",
            domain=_DOMAIN,
            num_heads=each.heads,
            scale=each.scale,
        )
        graph.node[place].CopyFrom(node)
    sweep(graph)
    if not any(MASK in node.input for node in graph.node):
        for given in [given for given in graph.input if given.name == MASK]:
            graph.input.remove(given)
    declare(model, _DOMAIN)
    return len(found)


def _attention(seen: Seen, softmax: "NodeProto") -> _Attention | None:
    scores = seen.makers.get(softmax.input[0])
    if scores is not None and scores.op_type == "Add":
        products = [name for name in scores.input if not _is_mask(seen, name)]
        scores = seen.makers.get(products[0]) if len(products) == 1 else None
    divisor: float | None = 1.0
    if scores is not None and scores.op_type == "Div":
        divisor, scores = _number(seen, scores.input[1]), seen.makers.get(scores.input[0])
    weighted = _only_reader(seen, softmax)
    joined = None if weighted is None else _only_reader(seen, weighted)
    result = None if joined is None else _only_reader(seen, joined)
    if scores is None or scores.op_type != "MatMul" or weighted is None or weighted.op_type != "MatMul":
        return None
    if joined is None or _order(joined) != _TO_HEADS or result is None or result.op_type != "Reshape":
        return None
    queries = _side_by_side(seen, scores.input[0], _TO_HEADS)
    keys = _side_by_side(seen, scores.input[1], _TO_HEADS_TURNED)
    values = _side_by_side(seen, weighted.input[1], _TO_HEADS)
    if queries is None or keys is None or values is None or divisor is None:
        return None
    if not queries.heads == keys.heads == values.heads or queries.scaled != keys.scaled or values.scaled:
        return None
    scale = (queries.width**-0.5 if queries.scaled else 1.0) / divisor
    return _Attention(softmax, queries.tensor, keys.tensor, values.tensor, queries.heads, scale, result)


class _Heads(NamedTuple):
    tensor: str
    """Name of the tensor before its heads were separated."""
    heads: int
    width: int
    scaled: bool
    """Whether the tensor is multiplied by width to the power of -1/4, as torch does with queries and keys."""


def _side_by_side(seen: Seen, tensor: str, order: tuple[int, ...]) -> _Heads | None:
    maker = seen.makers.get(tensor)
    scaled = maker is not None and maker.op_type == "Mul" and _is_scale(seen, maker.input[1])
    if scaled and maker is not None:
        maker = seen.makers.get(maker.input[0])
    if maker is None or _order(maker) != order:
        return None
    reshape = back(seen, maker.output[0], ("Transpose", "Reshape"))
    numbers = None if reshape is None else last_numbers(seen, reshape, 2)
    if reshape is None or numbers is None:
        return None
    return _Heads(reshape.input[0], numbers[0], numbers[1], scaled)


def _is_scale(seen: Seen, tensor: str) -> bool:
    """Whether a tensor is the square root of one over the square root of a width."""
    made = back(seen, tensor, ("Sqrt", "Cast", "Div"))
    return made is not None and back(seen, made.input[1], ("Sqrt", "Cast", "Slice", "Shape")) is not None


def _is_mask(seen: Seen, tensor: str) -> bool:
    """Whether a tensor is computed from the mask, and otherwise only from shapes and numbers."""
    reached, open_ends = False, [tensor]
    while open_ends:
        name = open_ends.pop()
        node = seen.makers.get(name)
        if name in seen.weights:
            if len(seen.weights[name].dims) > 1:
                return False  # such as a table of relative positions
        elif node is None:
            if name != MASK:
                return False
            reached = True
        elif node.op_type != "Shape":
            open_ends += node.input
    return reached


def _only_reader(seen: Seen, node: "NodeProto") -> "NodeProto | None":
    """The only node that reads the output of a node, apart from Shape nodes; None if there are several."""
    readers = [each for each in seen.readers.get(node.output[0], []) if each.op_type != "Shape"]
    return readers[0] if len(readers) == 1 else None


def _number(seen: Seen, tensor: str) -> float | None:
    from onnx import numpy_helper

    maker = seen.makers.get(tensor)
    if maker is None or maker.op_type != "Constant":
        return None
    return float(numpy_helper.to_array(maker.attribute[0].t).item())


def _order(node: "NodeProto") -> tuple[int, ...] | None:
    if node.op_type != "Transpose":
        return None
    return next((tuple(each.ints) for each in node.attribute if each.name == "perm"), None)
