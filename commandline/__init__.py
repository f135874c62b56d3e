"""What the commands of the three programs share: options from a file or the environment, and how a pipe ends.

It knows click and the contract, and none of the programs: each says which options are its own.
"""
