"""Reads files of the operating system, as below `/proc` and `/sys`. A missing file reads as empty."""

import string
from pathlib import Path
from typing import Final

_AROUND: Final = string.whitespace + "\0"
"""Stripped from both ends of a text; the device tree ends its texts with a NUL."""


def read_text(path: Path) -> str:
    """The whole text without surrounding blanks; empty if it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").strip(_AROUND)
    except OSError:
        return ""


def read_number(path: Path, base: int = 10) -> int | None:
    """The number that is the file's text; None if it is not a number, or cannot be read."""
    try:
        return int(read_text(path), base)
    except ValueError:
        return None


def read_field(path: Path, name: str) -> str | None:
    """The rest of the first line that begins with a name and its separator, such as `MemTotal:`."""
    for line in read_text(path).splitlines():
        if line.startswith(name):
            return line.removeprefix(name).strip()
    return None


def read_kib(path: Path, name: str) -> int | None:
    """The number of bytes in a field such as `MemTotal:  16316412 kB`; None without the field."""
    field = read_field(path, name)
    return None if field is None else int(field.split()[0]) * 1024
