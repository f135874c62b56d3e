"""Connections to a broker: how they are encrypted, what answers at a port, and what to do if they fail."""
