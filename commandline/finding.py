"""The findings of a `doctor` command, and how they are printed."""

import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import click

from commandline.program.streams import print_json_line
from contract.codec import printable

Level = Literal["ok", "warn", "fail"]

_LEVEL_WIDTH: Final = 4
_ABOUT_WIDTH: Final = 15
_ADVICE_INDENT: Final = " " * (_LEVEL_WIDTH + 2 + _ABOUT_WIDTH + 2)


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    about: str
    """What was checked, in a word or two."""
    level: Level
    what: str
    advice: str = ""
    """What to do; empty if nothing needs to be done."""


def print_findings(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Print findings: as lines, each as soon as its check has ended; as JSON, all at the end.

    Args:
        findings: an iterable that runs the checks while it is read, since a check may take seconds.
        as_json: print a list of objects instead of lines for people.

    Returns:
        The exit status: 1 if a check failed, 0 otherwise.
    """
    found = []
    for finding in findings:
        found.append(finding)
        if as_json:
            continue
        _print(f"{finding.level:{_LEVEL_WIDTH}}  {finding.about:{_ABOUT_WIDTH}}  ", finding.what)
        if finding.advice:
            _print(f"{_ADVICE_INDENT}→ ", finding.advice)
    if as_json:
        print_json_line(found)
    return int(any(finding.level == "fail" for finding in found))


def _print(label: str, text: str) -> None:
    """Print a text after a label; on a terminal, in lines that begin below each other and break no word."""
    line = label + printable(text)
    if sys.stdout.isatty():
        line = textwrap.fill(
            line,
            shutil.get_terminal_size().columns,
            subsequent_indent=" " * len(label),
            break_long_words=False,
            break_on_hyphens=False,
        )
    click.echo(line)
