"""Answers questions with a network, and compares the answers and times of networks."""
