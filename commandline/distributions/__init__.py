"""Probability distributions that the programs share, in plain Python."""
