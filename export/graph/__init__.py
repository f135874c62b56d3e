"""Traces, indexes and rewrites the ONNX graph, without changing its answers."""
