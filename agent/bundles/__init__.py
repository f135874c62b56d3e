"""Bundles opened and fetched, never trusted."""
