"""Estimates before anything is measured: a network's arithmetic and latency, and detectable differences."""
