"""The whole system on one machine: offline with a small real reader, or repeating the study (`demo.study`).

It runs the three programs as a user would, as separate processes, and holds no logic that they need.
"""
