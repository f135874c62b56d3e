"""Suggests students from measurements: shapes, their predicted latency, and the commands that make them.

It reads the documented tables of the collector's database and trains nothing. It predicts latency, with its
uncertainty, but never accuracy, because accuracy depends on the training and must be measured.
"""
