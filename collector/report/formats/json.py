"""The report as JSON, with the fields of `collector.findings.comparison.Comparison`."""

import msgspec

from collector.findings.comparison import Comparison


def as_json(comparison: Comparison) -> str:
    """Write a comparison as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(comparison), indent=2).decode() + "\n"
