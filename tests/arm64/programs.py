"""Runs the three programs here, and prints the steps of the proof."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

ROOT: Final = Path(__file__).parents[2]
_STOP_SECONDS: Final = 60
_LAST_CHARS: Final = 2000


class ProofError(Exception):
    """The proof failed; the message names the reason."""


def check(fact: bool, otherwise: str) -> None:
    """Check that something is true.

    Raises:
        ProofError: it is false; `otherwise` is the message.
    """
    if not fact:
        raise ProofError(otherwise)


def step(what: str) -> None:
    """Print the step that starts now."""
    click.secho(f"== {what}", err=True, bold=True)


def program(name: str, *arguments: str | Path) -> str:
    """Run one of the three programs to its end and return its standard output.

    Raises:
        ProofError: it ended with an error.
    """
    done = subprocess.run(_command(name, *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    errors = done.stderr.strip()[-_LAST_CHARS:]
    check(done.returncode == 0, f"'{name} {arguments[0]}' exited with {done.returncode}: {errors}")
    return done.stdout


def query(database: Path, sql: str) -> list[dict[str, Any]]:
    """The rows of a query of the collector's database."""
    rows: list[dict[str, Any]] = json.loads(
        program("collector", "query", "--db", database, "--format", "json", sql)
    )
    return rows


@contextmanager
def serving(log: Path, *options: str | Path) -> Iterator[None]:
    """Run `collector serve` for the length of the block."""
    with log.open("w") as output:
        process = subprocess.Popen(
            _command("collector", "serve", *options), cwd=ROOT, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _command(name: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", name, *map(str, arguments)]
