"""What is computed once per run and kept: columns, timeline and summary."""
