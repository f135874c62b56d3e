"""When users ask: Poisson arrivals, as in MLPerf's scenario Server, the same for the same seed."""

import random
from itertools import accumulate


def arrivals_ns(qps: float, count: int, seed: int) -> tuple[int, ...]:
    """The times of `count` arrivals after a beginning, ascending: independent gaps of 1/qps on average.

    Args:
        qps: arrivals a second on average.
        count: how many.
        seed: decides them. At another rate the same seed gives the same pattern, stretched.
    """
    gaps = random.Random(seed)  # noqa: S311 - a simulation, no secret
    return tuple(int(1e9 * at) for at in accumulate(gaps.expovariate(1.0) / qps for _ in range(count)))
