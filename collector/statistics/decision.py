"""Decides by an interval whether a number is what it has to be, and how much data would decide."""

import math
from collections.abc import Callable
from typing import Final

from collector.findings.verdict import NOT_DECIDED, Verdict, passes
from collector.statistics.confidence import Mean

_MOST: Final = 10_000_000
"""Nobody asks more questions than this: then no number decides."""


def decide(
    met: Callable[[float], bool],
    estimate: Mean,
    bound: float,
    count: int,
    unit: str = "question",
    *,
    most: int | None = None,
) -> Verdict:
    """Decide whether a number is on the required side of a bound.

    Args:
        met: whether a value is on that side.
        estimate: the number with its interval.
        bound: the bound.
        count: how many questions or rounds the interval is of.
        unit: `question` or `round`.
        most: how many there can be at most; None for no limit.
    """
    low, high = met(estimate.low), met(estimate.high)
    if low == high:
        return passes(low)
    needs = needed(estimate, bound, count)
    possible = needs is None or most is None or needs <= most
    return Verdict(outcome=NOT_DECIDED, needs=needs if possible else None, unit=unit)


def needed(estimate: Mean, bound: float, count: int) -> int | None:
    """Compute about how much data would leave a bound out of an interval that holds it.

    The number stays what it is, and the interval shrinks with the square root of the count.

    Returns:
        The count, rounded up to two digits; None if no reasonable one would do.
    """
    distance = abs(estimate.value - bound)
    half = estimate.value - estimate.low if bound <= estimate.value else estimate.high - estimate.value
    if distance * math.sqrt(_MOST) < half * math.sqrt(count) or not distance:
        return None
    return _rounded_up(max(math.ceil(count * (half / distance) ** 2), count + 1))


def _rounded_up(count: int) -> int:
    step = int(10 ** max(len(str(count)) - 2, 0))
    return math.ceil(count / step) * step
