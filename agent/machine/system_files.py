"""What files of the operating system say, as below `/proc` and `/sys`. One that is not there says nothing."""

import string
from pathlib import Path
from typing import Final

_AROUND: Final = string.whitespace + "\0"
"""The device tree ends its texts with a NUL."""


def read_text(path: Path) -> str:
    """All of it, without blanks around; empty where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").strip(_AROUND)
    except OSError:
        return ""


def read_number(path: Path, base: int = 10) -> int | None:
    """The number that it is; None where it is none, or cannot be read."""
    try:
        return int(read_text(path), base)
    except ValueError:
        return None


def read_field(path: Path, name: str) -> str | None:
    """The rest of the first line that begins with a name, its separator included: `MemTotal:`."""
    for line in read_text(path).splitlines():
        if line.startswith(name):
            return line.removeprefix(name).strip()
    return None


def read_kib(path: Path, name: str) -> int | None:
    """The bytes that a field such as `MemTotal:  16316412 kB` stands for."""
    field = read_field(path, name)
    return None if field is None else int(field.split()[0]) * 1024
