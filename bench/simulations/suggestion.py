"""Suggested students: the prediction intervals of shapes that were not measured."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.simulations.cell import Cell, Required, share
from commandline.estimation.latency import Point, fit

_SITUATIONS: Final = ((0.15, 0.02), (0.05, 0.05))
"""Standard deviations in logarithms: of a shape about the line, alike in all precisions, and of a time."""
_HOLDS: Final = Required(at_least=0.93)


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate every situation.

    Args:
        draws: how many sets of measured shapes are drawn for each situation.
        seed: seed of the random draws.
    """
    for shapes in (3, 4, 6):
        for of_shape, of_run in _SITUATIONS:
            name = f"suggest, {shapes} shapes in two precisions, spread {of_shape:.0%} and {of_run:.0%}"
            random = np.random.default_rng((seed, shapes))
            found = [_covers(shapes, of_shape, of_run, random) for _ in range(draws)]
            yield share(name, "the 95 % interval holds the time of a new shape", found, _HOLDS)


def _covers(shapes: int, of_shape: float, of_run: float, random: np.random.Generator) -> bool:
    """Draw shapes of 1 to 100 gigaflops, the first of which is predicted from the others."""
    logs = random.uniform(0, math.log(100), shapes + 1)
    logs[0] = random.uniform(math.log(2), math.log(50))
    usual = 0.9 * logs + random.normal(0, of_shape, shapes + 1)
    points = [
        Point(
            math.exp(logs[shape]),
            precision,
            math.exp(usual[shape] - 0.8 * (precision == "int8") + random.normal(0, of_run)),
            shape,
        )
        for shape in range(shapes + 1)
        for precision in ("fp32", "int8")
    ]
    found = fit([point for point in points if point.shape != 0]).predict(points[0].gigaflops, "fp32")
    assert found.low is not None and found.high is not None
    return found.low <= points[0].milliseconds <= found.high
