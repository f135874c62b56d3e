"""Builds bundles from published weights: ONNX graph, tokenizer and manifest, in the requested precision.

It runs on a workstation and never on a device. It is not a model library: the agent measures the bundles.
"""
