"""Exports the reader as one ONNX file: int64 inputs of shape (batch, tokens), start and end logits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from export.models.load import Reader
from export.quiet_libraries import quiet

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

OPSET: Final = 18
"""ONNX operator set that optimum recommends for these families."""


def trace(reader: Reader, path: Path) -> tuple[str, ...]:
    """Export the network to one ONNX file, with both axes dynamic.

    This needs memory of four times the weights: the exporter copies them, and so does its serialisation.

    Returns:
        The names of its inputs, in order.
    """
    with quiet():
        from optimum.exporters.onnx import export
        from optimum.exporters.tasks import TasksManager

        constructor = TasksManager.get_exporter_config_constructor(
            "onnx", reader.network, task="question-answering", library_name="transformers"
        )
        described = constructor(reader.network.config)
        if getattr(reader.network.config, "type_vocab_size", 2) < 2:
            described.__class__ = _without_token_types(type(described))
        # Fixing dynamic axes would load the model once more; these inputs have no axis to fix.
        inputs, _ = export(
            reader.network,
            described,
            path,
            opset=OPSET,
            disable_dynamic_axes_fix=True,
        )
    return tuple(inputs)


def _without_token_types(kind: type[Any]) -> type[Any]:
    """A description of inputs without `token_type_ids`, for a network that knows one type of token."""

    class OneTokenType(kind):  # type: ignore[misc]  # optimum's class of the family
        @property
        def inputs(self) -> dict[str, dict[int, str]]:
            axes: dict[str, dict[int, str]] = super().inputs
            return {name: each for name, each in axes.items() if name != "token_type_ids"}

    return OneTokenType


def load(path: Path) -> "ModelProto":
    """Read a traced graph, and remove the aliases that the exporter makes for equal weights."""
    import onnx

    graph = onnx.load(path, load_external_data=False)
    _resolve_aliases(graph)
    return graph


def save(model: "ModelProto", path: Path) -> None:
    """Write a graph as one file. It must be smaller than 2 GB, protobuf's limit."""
    path.write_bytes(model.SerializeToString())


def insert_after(graph: "GraphProto", tensor: str, node: "NodeProto") -> None:
    """Insert a node right after the one that makes a tensor, so that the order stays topological."""
    place = next((i + 1 for i, maker in enumerate(graph.node) if tensor in maker.output), 0)
    graph.node.insert(place, node)


def declare(model: "ModelProto", domain: str) -> None:
    """Declare that a graph uses version 1 of the operators of a domain."""
    from onnx import helper

    if all(entry.domain != domain for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(domain, 1))


def _resolve_aliases(model: "ModelProto") -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    aliases: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            aliases[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    for node in kept:
        for place, name in enumerate(node.input):
            node.input[place] = aliases.get(name, name)
    del model.graph.node[:]
    model.graph.node.extend(kept)
