"""Quantises weights and activations to integers, and finds their ranges."""
