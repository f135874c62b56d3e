"""Chooses what rows are best for; rows that the data cannot tell apart share a label."""
