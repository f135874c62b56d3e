"""Adjusts the p values of several tests, so that a false alarm among all of them stays rare."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values by Holm's method (1979), which needs no independence.

    The share of tables with at least one false alarm stays below the level that adjusted values are compared
    with, however many tests a table has.

    Args:
        p_values: the p value of each test, 0 to 1.

    Returns:
        The adjusted p values in the same order, 0 to 1.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, (len(order) - rank) * p_values[place])
        adjusted[place] = min(1.0, highest)
    return adjusted
