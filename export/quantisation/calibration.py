"""Records the inputs of linear layers while a network answers the calibration questions."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.questions import Question
from export.answering.inference import Cutter, session
from export.graph.trace import load, save
from export.quantisation.int8 import linears

if TYPE_CHECKING:
    from onnx import GraphProto

_KEPT_WINDOWS: Final = 12
"""Windows whose tensors are kept: enough to compare strengths; those of BERT-Large take a gigabyte."""


class Activation(NamedTuple):
    """The values of one input of linear layers."""

    lowest: NDArray[np.float32]
    """Lowest value of each channel over all questions, shape (channels,)."""
    highest: NDArray[np.float32]
    """Highest value of each channel over all questions, shape (channels,)."""
    windows: list[NDArray[np.float32]]
    """The whole tensor in a few windows, shape (tokens, channels) each."""

    @property
    def largest(self) -> NDArray[np.float32]:
        """Largest magnitude of each channel, shape (channels,)."""
        return np.maximum(np.abs(self.lowest), np.abs(self.highest))


def activations(
    traced: Path, cutter: Cutter, asked: tuple[Question, ...], scratch: Path
) -> dict[str, Activation]:
    """Run the questions through a traced graph, and record every input of a linear layer.

    Args:
        traced: file of the fp32 graph.
        cutter: cuts the questions into windows.
        asked: the calibration questions.
        scratch: path of a temporary file, as large as the graph; it is removed at the end.
    """
    from onnx import TensorProto, helper

    model = load(traced)
    sources = list(linears(model.graph))
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in _not_output(model.graph, sources)
    )
    save(model, scratch)
    del model
    windows = [window for question in asked for window in cutter.windows(question)]
    every = max(1, len(windows) // _KEPT_WINDOWS)
    lowest: dict[str, NDArray[np.float32]] = {}
    highest: dict[str, NDArray[np.float32]] = {}
    kept: dict[str, list[NDArray[np.float32]]] = {source: [] for source in sources}
    try:
        running = session(scratch)
        for place, window in enumerate(windows):
            for source, tensor in zip(sources, running.run(sources, window.inputs), strict=True):
                rows = tensor.reshape(-1, tensor.shape[-1])
                low, high = rows.min(axis=0), rows.max(axis=0)
                lowest[source] = np.minimum(lowest.get(source, low), low)
                highest[source] = np.maximum(highest.get(source, high), high)
                if place % every == 0 and len(kept[source]) < _KEPT_WINDOWS:
                    kept[source].append(rows)
    finally:
        scratch.unlink()
    return {source: Activation(lowest[source], highest[source], kept[source]) for source in sources}


def _not_output(graph: "GraphProto", names: list[str]) -> list[str]:
    given = {entry.name for entry in graph.output}
    return [name for name in names if name not in given]
