"""Predicts latency from arithmetic: a straight line in logarithms, fitted to one machine's measurements.

    log(ms) = a + b log(GFLOP) + c[precision]

Precisions share the slope and differ in the intercept. The interval is the standard prediction interval for a
new observation, with Student's t. It assumes that all shapes scatter equally about the line. Two precisions
of one model are not quite independent, so it is a little too narrow.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from commandline.student_t import t_quantile

_REFERENCE: Final = "fp32"
_LARGEST: Final = 700.0
"""Largest logarithm that is converted back: slightly larger ones overflow a float."""


class Point(NamedTuple):
    """One measured model."""

    gigaflops: float
    precision: str
    milliseconds: float


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
    """Standard error about the line, in logarithms; None if there is no degree of freedom."""
    freedom: int
    """Degrees of freedom."""
    inverse: NDArray[np.float64]
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
        error = self.spread * math.sqrt(1 + float(row @ self.inverse @ row))
        reach = t_quantile(self.freedom) * error
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
    coefficients = np.linalg.lstsq(rows, logs, rcond=None)[0]
    freedom = len(points) - rows.shape[1]
    residuals = logs - rows @ coefficients
    spread = math.sqrt(float(residuals @ residuals) / freedom) if freedom > 0 else None
    amounts = [point.gigaflops for point in points]
    inverse: NDArray[np.float64] = np.linalg.pinv(rows.T @ rows)
    return Line(precisions, coefficients, spread, freedom, inverse, min(amounts), max(amounts))


def _row(gigaflops: float, precision: str, precisions: tuple[str, ...]) -> NDArray[np.float64]:
    others = [float(precision == other) for other in precisions[1:]]
    return np.array([1.0, math.log(gigaflops), *others])
