"""Answers one question with a model: the part that is timed."""
