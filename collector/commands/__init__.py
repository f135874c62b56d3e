"""The commands of `collector`, a file for each kind: options in, one call, lines out.

Nothing is decided here, and everything heavy is imported by the command that needs it.
"""
