"""Compares a run with an earlier one: what changed beyond chance, and which limits it breaks."""
