"""Weights and activations in integers, and their ranges."""
