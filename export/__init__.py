"""From published weights to a bundle: ONNX graph, tokenizer and manifest, in the precision asked for.

It runs on a workstation, before anything reaches a device. It is not a model library and never runs on a
device: the agent takes the bundle from there.
"""
