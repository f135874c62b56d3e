"""Finds the run on another machine that a row's accuracy is taken over from."""
