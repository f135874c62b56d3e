"""The ONNX graph: traced, indexed, and rewritten without changing its answers."""
