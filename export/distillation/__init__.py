"""Distillation: from a trained reader, the teacher, to a smaller one, the student.

It writes a transformers folder that `export-models build` takes. It is not a training framework: one network
learns from one teacher, on one machine, to answer questions.
"""
