"""Lists, one run, a comparison of two: what a terminal shows beside the report."""
