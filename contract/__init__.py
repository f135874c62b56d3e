"""Every byte that crosses a border: bundle manifest, question file, records, messages and topics.

The contract is what `export`, `agent` and `collector` share, and all they share. It is pure: it does no
I/O, keeps no state and imports nothing but the standard library and msgspec. What exact match and F1 mean is
part of the agreement too: what `export` holds a bundle to is what `collector` reports of it.
It is not a place for code that merely happens to be used twice.
"""
