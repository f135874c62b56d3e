"""When a run has enough answers: the stop rule, the search for a rate, and the bounds of percentiles."""
