"""Whether times grew or fell during a run."""

import numpy as np
from numpy.typing import ArrayLike

from collector.statistics.percentiles import percentile, percentile_interval


def drift(values: ArrayLike) -> float | None:
    """Divide the median of the last quarter of times by that of the first, in the order of measurement.

    Returns:
        The ratio; None if the intervals of the two medians overlap, or one has too few times for an interval.
    """
    array = np.asarray(values)
    quarter = len(array) // 4
    if not quarter:
        return None
    first, last = array[:quarter], array[-quarter:]
    early, late = percentile_interval(first, 0.5), percentile_interval(last, 0.5)
    if early is None or late is None or (early[0] <= late[1] and late[0] <= early[1]):
        return None
    return percentile(last, 0.5) / max(percentile(first, 0.5), 1)
