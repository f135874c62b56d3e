"""Builds bundles from a request, and finds references to verify them."""
