"""The measured process, and the two pipes to it."""
