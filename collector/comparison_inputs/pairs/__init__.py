"""Runs paired with each other: two that a user names, and those of a series with earlier ones."""
