"""Finds the network that a name means, and loads its weights."""
