"""What the programs share besides the contract, since it needs click, paho, files or the operating system.

Examples are options from a file or the environment, a broker's address, a doctor's findings, the end of a
program, Student's t, and the rule for which runs stand for a model. It imports click, paho and the contract,
and none of the programs; each program passes its own options and errors in.
"""
