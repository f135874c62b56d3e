"""Runs the whole system on one machine: the offline demo, or the study with real weights (`demo.study`).

It runs the three programs as a user would, as separate processes, and contains no logic that they need.
"""
