"""Scores answers against gold answers."""
