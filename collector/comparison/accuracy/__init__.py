"""Accuracies of rows: how they differ, and where one was taken over from another machine."""
