"""When a run has enough answers: the stop rule and the bounds of its percentiles."""
