"""Checks of the broker and the machine that the collector needs."""
