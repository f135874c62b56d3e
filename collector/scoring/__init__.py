"""Answers against gold answers."""
