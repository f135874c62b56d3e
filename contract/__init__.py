"""Every byte that crosses a border: bundle manifest, question file, records, messages and topics.

The contract is what `export`, `agent` and `collector` share, and all they share. It is pure: it does no
I/O, keeps no state and imports nothing but the standard library and msgspec.
It is not a place for code that merely happens to be used twice.
"""
