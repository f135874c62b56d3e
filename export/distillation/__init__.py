"""Distillation: trains a smaller reader, the student, from a trained reader, the teacher.

It writes a transformers folder that `export-models build` accepts. It is not a training framework: one
network learns from one teacher, on one machine, to answer questions.
"""
