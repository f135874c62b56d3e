"""Commands of `agent` that need more than a few lines, a file for each."""
