"""Predicts latency from arithmetic: a straight line in logarithms, fitted to one machine's measurements.

    log(ms) = a + b log(GFLOP) + c[precision]

Precisions share the slope and differ in the intercept. All measurements of one shape share its deviation
from the line, whatever their precision. So the shape is the unit: the interval is the prediction interval for
a new shape, by Student's t, whose degrees of freedom are the number of shapes less 2. It assumes that all
shapes scatter equally about the line.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean
from typing import Final, NamedTuple

from commandline.distributions.student_t import t_quantile

_REFERENCE: Final = "fp32"
_SAME: Final = 1e-18
"""Sum of squares below which all amounts of arithmetic are the same."""
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


class Centre(NamedTuple):
    """The mean of the points of a precision, in logarithms, and how many there are."""

    gigaflops: float
    milliseconds: float
    points: int


class Line(NamedTuple):
    """A fitted line."""

    slope: float
    """Slope of log time over log arithmetic: 1 if time is proportional, less if some of it is fixed."""
    centres: Mapping[str, Centre]
    """A point of the line for each precision that was measured; the first is the reference."""
    spread: float | None
    """Standard deviation of shapes about the line, in logarithms; None if too few shapes decide it."""
    points: tuple[Point, ...]
    squares: float
    """Sum of the squared distances of the points from the centres, in logarithms of arithmetic."""
    smallest: float
    largest: float

    @property
    def shapes(self) -> int:
        """How many shapes were measured."""
        return len({point.shape for point in self.points})

    def predict(self, gigaflops: float, precision: str) -> Prediction:
        """Predict the latency of a shape.

        Args:
            gigaflops: arithmetic of the shape per question, in 10^9 operations.
            precision: one that was measured.
        """
        away = math.log(gigaflops) - self.centres[precision].gigaflops
        centre = self.centres[precision].milliseconds + self.slope * away
        outside = not self.smallest * 0.999 <= gigaflops <= self.largest * 1.001
        if self.spread is None:
            return Prediction(_exp(centre), None, None, outside)
        uncertain = math.fsum(weight**2 for weight in self._weights(away, precision).values())
        reach = t_quantile(self.shapes - 2) * self.spread * math.sqrt(1 + uncertain)
        return Prediction(_exp(centre), _exp(centre - reach), _exp(centre + reach), outside)

    def _weights(self, away: float, precision: str) -> Mapping[Hashable, float]:
        """How much a prediction changes with the deviation of each shape from the line."""
        weights: dict[Hashable, float] = defaultdict(float)
        for point in self.points:
            centre = self.centres[point.precision]
            slope = away * (math.log(point.gigaflops) - centre.gigaflops) / self.squares
            weights[point.shape] += slope + (1 / centre.points if point.precision == precision else 0.0)
        return weights


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, _LARGEST))


def fit(points: Sequence[Point]) -> Line:
    """Fit the line, by least squares, to points of one or more shapes.

    Arithmetic and time must be above 0.
    """
    centres = _centres(points)
    away = [math.log(point.gigaflops) - centres[point.precision].gigaflops for point in points]
    above = [math.log(point.milliseconds) - centres[point.precision].milliseconds for point in points]
    squares = math.fsum(x * x for x in away)
    known = squares > _SAME
    slope = math.fsum(x * y for x, y in zip(away, above, strict=True)) / squares if known else 1.0
    deviations: dict[Hashable, list[float]] = defaultdict(list)
    for point, x, y in zip(points, away, above, strict=True):
        deviations[point.shape].append((y - slope * x) ** 2)
    freedom = len(deviations) - 2
    spread = (
        math.sqrt(math.fsum(map(fmean, deviations.values())) / freedom) if known and freedom > 0 else None
    )
    amounts = [point.gigaflops for point in points]
    return Line(slope, centres, spread, tuple(points), squares, min(amounts), max(amounts))


def _centres(points: Sequence[Point]) -> dict[str, Centre]:
    precisions = sorted({point.precision for point in points}, key=lambda p: (p != _REFERENCE, p))
    centres = {}
    for precision in precisions:
        chosen = [point for point in points if point.precision == precision]
        centres[precision] = Centre(
            fmean(math.log(point.gigaflops) for point in chosen),
            fmean(math.log(point.milliseconds) for point in chosen),
            len(chosen),
        )
    return centres
