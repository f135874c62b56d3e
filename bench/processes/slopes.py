"""How fast a series of values grows, with a confidence interval."""

from typing import Final, NamedTuple

import numpy as np

STRETCHES: Final = 10
_STUDENT: Final = 2.306
"""Of a slope through ten points: 8 degrees of freedom, both sides, 95 %."""


class Slope(NamedTuple):
    """A change per unit of x and half of its confidence interval's width."""

    per_unit: float
    plus_minus: float


def stretches(values: list[float]) -> list[float]:
    """The means of equal parts of a series of at least 20 values."""
    return [float(part.mean()) for part in np.array_split(np.array(values), STRETCHES)]


def fit(at: list[float], values: list[float]) -> Slope:
    """The slope of a series, by least squares over the means of its stretches.

    These are nearly independent; samples a few seconds apart are not.
    """
    x, y = np.array(stretches(at)), np.array(stretches(values))
    dx = x - x.mean()
    slope = float(dx @ y / (dx @ dx))
    rest = y - y.mean() - slope * dx
    error = float(np.sqrt(rest @ rest / (STRETCHES - 2) / (dx @ dx)))
    return Slope(slope, _STUDENT * error)
