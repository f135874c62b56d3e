"""Makes, samples and measures question files."""
