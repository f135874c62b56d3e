"""The report as JSON, with the fields of `collector.findings.comparison.Comparison`."""

import msgspec

from collector.findings.comparison import Comparison
from contract.codec import json_text


def as_json(comparison: Comparison) -> str:
    """Write a comparison as indented JSON."""
    return json_text(msgspec.json.encode(comparison))
