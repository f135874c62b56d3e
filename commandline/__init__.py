"""What the three programs share besides the contract, since it needs click, files or the operating system.

Examples are options from a file or the environment, a broker's address, a doctor's findings, the end of a
program and Student's t. It imports click and the contract, and none of the programs; each program passes its
own options and errors in.
"""
