"""Probability distributions that both the collector and the export need, in plain Python."""
