"""Which network a name means, and its weights."""
