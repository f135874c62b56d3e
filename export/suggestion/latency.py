"""Predicts latency from arithmetic: a straight line in logarithms, fitted to one machine's measurements.

    log(ms) = a + b log(GFLOP) + c[precision]

Precisions share the slope and differ in the intercept. All measurements of one shape share its deviation
from the line, whatever their precision. So the shape is the unit: the interval is the prediction interval for
a new shape, by Student's t, whose degrees of freedom are the number of shapes less 2. It assumes that all
shapes scatter equally about the line.
"""

import math
from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from commandline.distributions.student_t import t_quantile

_REFERENCE: Final = "fp32"
_LARGEST: Final = 700.0
"""Largest logarithm that is converted back: slightly larger ones overflow a float."""


class Point(NamedTuple):
    """One measured model."""

    gigaflops: float
    precision: str
    milliseconds: float
    shape: Hashable
    """What identifies its shape."""


class Prediction(NamedTuple):
    """The predicted latency of a shape that was not measured, in milliseconds."""

    milliseconds: float
    low: float | None
    """Lower end of the 95 % prediction interval; None if there are too few measurements."""
    high: float | None
    """Upper end of the interval; None if there are too few measurements."""
    extrapolated: bool
    """Whether the shape computes less or more than every measured shape."""


class Line(NamedTuple):
    """A fitted line."""

    precisions: tuple[str, ...]
    """The precisions that were measured; the first is the reference of the intercepts."""
    coefficients: NDArray[np.float64]
    spread: float | None
    """Standard deviation of shapes about the line, in logarithms; None with two shapes, which decide it."""
    shapes: int
    """How many shapes were measured."""
    influences: NDArray[np.float64]
    """How much the coefficients (first axis) change with the deviation of each shape (second axis)."""
    smallest: float
    largest: float

    @property
    def slope(self) -> float:
        """Slope of log time over log arithmetic: 1 if time is proportional, less if some of it is fixed."""
        return float(self.coefficients[1])

    def predict(self, gigaflops: float, precision: str) -> Prediction:
        """Predict the latency of a shape.

        Args:
            gigaflops: arithmetic of the shape per question, in 10^9 operations.
            precision: one of `precisions`.
        """
        row = _row(gigaflops, precision, self.precisions)
        centre = float(row @ self.coefficients)
        outside = not self.smallest * 0.999 <= gigaflops <= self.largest * 1.001
        if self.spread is None:
            return Prediction(_exp(centre), None, None, outside)
        uncertain = row @ self.influences
        reach = t_quantile(self.shapes - 2) * self.spread * math.sqrt(1 + float(uncertain @ uncertain))
        return Prediction(_exp(centre), _exp(centre - reach), _exp(centre + reach), outside)


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, _LARGEST))


def fit(points: Sequence[Point]) -> Line:
    """Fit the line to points of two or more shapes; one shape would not determine the slope.

    Arithmetic and time must be above 0.
    """
    precisions = tuple(sorted({point.precision for point in points}, key=lambda p: (p != _REFERENCE, p)))
    rows = np.array([_row(point.gigaflops, point.precision, precisions) for point in points])
    logs = np.array([math.log(point.milliseconds) for point in points])
    inverse: NDArray[np.float64] = np.linalg.pinv(rows)
    coefficients = inverse @ logs
    squares = (logs - rows @ coefficients) ** 2
    names = list(dict.fromkeys(point.shape for point in points))
    of_shape = np.array([[point.shape == name for name in names] for point in points], np.float64)
    freedom = len(names) - 2
    mean_squares = squares @ of_shape / of_shape.sum(axis=0)
    spread = math.sqrt(float(mean_squares.sum()) / freedom) if freedom > 0 else None
    amounts = [point.gigaflops for point in points]
    return Line(precisions, coefficients, spread, len(names), inverse @ of_shape, min(amounts), max(amounts))


def _row(gigaflops: float, precision: str, precisions: tuple[str, ...]) -> NDArray[np.float64]:
    others = [float(precision == other) for other in precisions[1:]]
    return np.array([1.0, math.log(gigaflops), *others])
