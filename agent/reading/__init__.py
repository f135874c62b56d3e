"""One question to one answer: what is timed."""
