"""Accuracy: intervals, tests and gates of F1 and Exact Match."""

from collections.abc import Iterator

from bench.simulations.cell import Cell


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate every situation.

    Args:
        draws: how many runs or pairs of runs are drawn for each situation.
        seed: seed of the random draws.
    """
    yield from ()
