"""Keeps what was read or computed last in memory, up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, TypeVar

import numpy as np

T = TypeVar("T")

HELD_BYTES: Final = 50_000_000
"""The most bytes of arrays that are held: the means of 100 rows of 10,000 questions."""


class Held:
    """Values by key. The one that was asked for longest ago is dropped first.

    Args:
        most_bytes: the most bytes to hold; a single value may have more.
    """

    def __init__(self, most_bytes: int = HELD_BYTES) -> None:
        self._most_bytes = most_bytes
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
        while self._bytes > self._most_bytes and len(self._values) > 1:
            self._bytes -= self._values.popitem(last=False)[1][1]
        return value


def array_bytes(value: Iterable[object]) -> int:
    """Count the bytes of the arrays of a named tuple."""
    return sum(part.nbytes for part in value if isinstance(part, np.ndarray))
