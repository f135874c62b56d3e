"""What the three programs share beside the contract, because it needs click, files or the operating system.

Such as options from a file or the environment, a broker's address, a doctor's findings, and the end of a
program. It imports click and the contract, and none of the programs: each says which options and errors are
its own.
"""
