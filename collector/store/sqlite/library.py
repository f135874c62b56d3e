"""sqlite_utils, imported without pandas and numpy.

Where these are installed, sqlite_utils imports them to know their types of columns. No table of a collector
has one, and importing them takes half of the time in which a short command starts and ends.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_UNUSED: Final = frozenset({"numpy", "pandas"})


class _Hidden(MetaPathFinder):
    """Lets a thread find no module of these names; other threads may import them meanwhile."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for a hidden module; return None, for the next finder, for any other."""
        if name in _UNUSED and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name!r} is not used here", name=name)
        return None


@contextmanager
def _hidden() -> Iterator[None]:
    finder = _Hidden()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with _hidden():
    from sqlite_utils import Database

__all__ = ["Database"]
