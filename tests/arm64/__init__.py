"""Proves on emulated ARM that the agent works (`make arm64`). It needs root and an hour; pytest skips it."""
