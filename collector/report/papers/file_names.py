"""The names of files and of labels that are made from titles."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

_NOT_IN_NAME: Final = re.compile(r"[^\w.]+")
_LONGEST_NAME: Final = 120
"""Bytes of a file's name; file systems allow 255, with an ending and what makes it unique."""
_DIGITS: Final = 8


def file_name(*parts: str) -> str:
    """Join titles to a file's name, in small letters with hyphens."""
    shown = (_NOT_IN_NAME.sub("-", part.casefold()).strip("-._") for part in parts)
    most = _LONGEST_NAME // len(parts)
    return "--".join(part.encode()[:most].decode(errors="ignore") or "untitled" for part in shown)


def unique_names(wanted: Iterable[tuple[str, str]]) -> list[str]:
    """Make names unique that are made from different things, and keep those that are.

    A name that several things would have gets digits for each of them. They depend on the thing only, not on
    the others or on their order, so no file ever becomes that of something else.

    Args:
        wanted: for each thing its name, and a text that identifies it.
    """
    pairs = list(wanted)
    shared = Counter(name for name, _ in pairs)
    names = [name if shared[name] == 1 else f"{name}-{_digits(thing)}" for name, thing in pairs]
    times = Counter[str]()
    found: list[str] = []
    for name in names:
        times[name] += 1
        found.append(name if times[name] == 1 else f"{name}-{times[name]}")  # the same thing again
    return found


def _digits(thing: str) -> str:
    return hashlib.sha256(thing.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
