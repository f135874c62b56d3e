"""Decides when a run has enough answers: stop rule, search for a rate, and bounds of percentiles."""
