"""Prints JSON to standard output."""

from commandline.program import streams


def print_json(data: bytes) -> None:
    """Print indented JSON in which characters that a terminal would act on are escaped."""
    from contract.codec import json_text

    streams.print_json(json_text(data))
