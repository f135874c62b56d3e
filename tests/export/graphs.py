"""Inspects and runs graphs of small networks, to check that they still compute the same."""

from collections import Counter

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto


def run(model: ModelProto) -> list[NDArray[np.float32]]:
    """The outputs of a graph for two windows of equal length."""
    running = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(3).integers(1000, 20_000, size=(2, 20))
    values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    values["token_type_ids"][:, 7:] = 1
    inputs = {given.name: values[given.name] for given in running.get_inputs()}
    outputs: list[NDArray[np.float32]] = running.run(None, inputs)
    return outputs


def kinds(model: ModelProto) -> Counter[str]:
    """The number of operators of each kind in a graph."""
    return Counter(node.op_type for node in model.graph.node)


def is_same(
    model: ModelProto, exact: list[NDArray[np.float32]], rtol: float = 1e-4, atol: float = 1e-5
) -> None:
    """Assert that a graph has the same outputs as before."""
    for ours, theirs in zip(run(model), exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)
