"""Prints JSON to standard output."""

import click


def print_json(data: bytes) -> None:
    """Print indented JSON in which characters that a terminal would act on are escaped."""
    import msgspec

    lines = msgspec.json.format(data, indent=2).decode().split("\n")
    # JSON escapes most control characters; the others would reach the terminal.
    click.echo(
        "\n".join("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line) for line in lines)
    )
