"""Prints messages to standard error and JSON to standard output."""

import click

from commandline import streams


def say(sentence: str) -> None:
    """Print a message for the user."""
    click.echo(sentence, err=True)


def print_json(data: bytes) -> None:
    """Print indented JSON in which characters that a terminal would act on are escaped."""
    from contract.codec import json_text

    streams.print_json(json_text(data))
