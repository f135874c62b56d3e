"""What is fuzzed: a reader, and good input for it."""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.fuzzing.mutation import mutated


class Target(NamedTuple):
    """A reader that must take any bytes, or refuse them with an error of its own and a printable sentence."""

    good: Sequence[bytes]
    """Input that it takes."""
    read: Callable[[bytes], bool]
    """Reads input; whether it took all of it. Any exception but a refusal is a bug."""
    mutate: Callable[[random.Random, Sequence[bytes]], bytes] = mutated
    """Makes input of the good input."""
    close: Callable[[], None] = lambda: None
    """Closes what is open, after a last check."""
