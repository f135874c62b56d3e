"""What is computed once per run and stored: columns, timeline and summary."""
