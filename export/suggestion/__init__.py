"""From what was measured to a student that should fit: shapes, their predicted latency, and the commands.

It reads the collector's database through its documented tables and trains nothing. It predicts latency, with
its uncertainty, and never accuracy: that depends on the training, and only measuring tells.
"""
