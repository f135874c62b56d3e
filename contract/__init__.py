"""Everything that the three programs exchange: bundle manifest, question file, records, messages and topics.

`export`, `agent` and `collector` share no other data format. The contract does no I/O, keeps no state and
imports nothing but the standard library and msgspec. It also defines exact match and F1, so that the loss
that `export` limits is measured as `collector` reports it. It is not a place for code that merely happens to
be used twice.
"""
