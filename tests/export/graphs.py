"""Runs a graph of a small network, to tell whether it still computes what it did."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto


def run(model: ModelProto) -> list[NDArray[np.float32]]:
    """What a graph gives for two windows of equal length."""
    running = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(3).integers(1000, 20_000, size=(2, 20))
    values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    values["token_type_ids"][:, 7:] = 1
    inputs = {given.name: values[given.name] for given in running.get_inputs()}
    outputs: list[NDArray[np.float32]] = running.run(None, inputs)
    return outputs
