"""Prints messages to standard error and JSON to standard output."""

import click


def say(sentence: str) -> None:
    """Print a message for the user."""
    click.echo(sentence, err=True)


def print_json(data: bytes) -> None:
    """Print indented JSON in which characters that a terminal would act on are escaped."""
    from contract.codec import json_text

    click.echo(json_text(data), nl=False)
