"""Rows against rows: makes the findings."""
