"""The findings of a `doctor` command, and how they are printed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from commandline.program.streams import print_json_line, print_laid_out

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
        print_laid_out(f"{finding.level:{_LEVEL_WIDTH}}  {finding.about:{_ABOUT_WIDTH}}  ", finding.what)
        if finding.advice:
            print_laid_out(f"{_ADVICE_INDENT}→ ", finding.advice)
    if as_json:
        print_json_line(found)
    return int(any(finding.level == "fail" for finding in found))
