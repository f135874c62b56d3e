"""How many times suffice for an upper bound of a percentile, and how tight the bound is."""

import math

from hypothesis import given
from hypothesis import strategies as st

from agent.stopping.percentile_bounds import needed, percentile_bound


def at_most(over: int, count: int, above: float) -> float:
    """The binomial distribution, term by term with whole numbers for coefficients."""
    return sum(math.comb(count, k) * above**k * (1 - above) ** (count - k) for k in range(over + 1))


def test_as_few_times_suffice_as_mlperf_says() -> None:
    assert (needed(90), needed(99)) == (64, 662)
    assert percentile_bound(range(63), 90).value_ns is None
    assert percentile_bound(range(64), 90).value_ns == 63
    assert percentile_bound(range(661), 99).value_ns is None
    assert percentile_bound(range(662), 99).value_ns == 661


@given(count=st.integers(64, 500), percent=st.sampled_from([90, 99]))
def test_the_bound_is_the_lowest_that_the_binomial_allows(count: int, percent: int) -> None:
    bound = percentile_bound(range(count), percent)
    above = 1 - percent / 100
    if bound.value_ns is None:
        assert at_most(1, count, above) > 0.01
        return
    over = count - bound.value_ns  # the bound is the over-th highest
    assert at_most(over, count, above) <= 0.01 < at_most(over + 1, count, above)


def test_many_times_are_no_trouble() -> None:
    bound = percentile_bound(range(100_000), 90)
    assert bound.value_ns is not None and 90_000 < bound.value_ns < 90_500
