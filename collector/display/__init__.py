"""What a terminal shows besides the report: lists, one run, and a comparison of two runs."""
