"""Code that the command lines of the three programs share, such as configuration files, help and endings.

It depends on click and the contract, and on none of the programs; each program passes its own options in.
"""
