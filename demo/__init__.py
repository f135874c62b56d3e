"""The whole system on one machine, offline: a small real reader, sample questions, an embedded broker.

It runs the three programs as a user would, as separate processes, and holds no logic that they need.
"""
