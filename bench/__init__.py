"""The performance claims, each one command that prints a Markdown table. Not part of the test suite."""
