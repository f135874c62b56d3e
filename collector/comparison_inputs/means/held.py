"""Keeps what was read or computed last in memory, up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

T = TypeVar("T")

HELD_BYTES: Final = 50_000_000
"""The most bytes of arrays that are held: the means of 100 rows of 10,000 questions."""


class Held:
    """Values by key. The one that was asked for longest ago is dropped first."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return a value, made only if it is not held.

        Args:
            key: its name.
            make: makes it.
            size: how many bytes it takes.
        """
        if key in self._values:
            self._values.move_to_end(key)
            known: T = self._values[key][0]
            return known
        value = make()
        self._values[key] = value, size(value)
        self._bytes += self._values[key][1]
        while self._bytes > HELD_BYTES and len(self._values) > 1:
            self._bytes -= self._values.popitem(last=False)[1][1]
        return value
