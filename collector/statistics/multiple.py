"""Several tests in one table: p values that account for their number."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values, so that the chance of any false alarm among them stays what it is for a single one.

    The smallest is multiplied by the number of tests, the next one by one less, and so on; none is then below
    a smaller one. It needs no assumption on how the tests depend on each other (Holm, 1979).

    Args:
        p_values: of all tests of a table, 0 to 1.

    Returns:
        The adjusted p values, in the order given.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return tuple(adjusted)
