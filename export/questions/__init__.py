"""Question files: made, sampled, measured."""
