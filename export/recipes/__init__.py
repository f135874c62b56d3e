"""Describes the recipes of quantisation as data, applies them to graphs, and searches for the best."""
