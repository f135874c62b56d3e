"""Time: which differences are called significant, intervals of ratios and percentiles, and remarks."""

from collections.abc import Iterator

from bench.simulations import time_changes, time_percentiles, time_ratios, time_remarks, time_tables
from bench.simulations.cell import Cell


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate every situation.

    Args:
        draws: how many runs or pairs of runs are drawn for each situation.
        seed: seed of the random draws.
    """
    yield from time_ratios.cells(draws, seed)
    yield from time_tables.cells(draws, seed)
    yield from time_percentiles.cells(draws, seed)
    yield from time_changes.cells(draws, seed)
    yield from time_remarks.cells(draws, seed)
