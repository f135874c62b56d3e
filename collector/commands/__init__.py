"""The commands of `collector`, one file per kind. Each reads its options, makes one call and prints lines.

Nothing is decided here. Heavy modules are imported by the command that needs them.
"""
