"""What to measure: command-line options or a plan file, and the questions selected."""
