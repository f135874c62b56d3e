"""How sure a statement is: the confidence of every interval, and when a difference is significant."""

from collections.abc import Sequence
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
SIGNIFICANCE: Final = 1 - CONFIDENCE


class Mean(NamedTuple):
    """A mean with its interval."""

    value: float
    low: float
    high: float


def is_significant(interval: Sequence[float], nothing: float) -> bool:
    """Whether an interval leaves out `nothing`, the value that means no difference."""
    return not interval[0] <= nothing <= interval[1]
