import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.arrivals import arrivals_ns
from agent.bounds import needed, percentile_bound
from agent.rates import RateSearch


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


def test_arrivals_are_poisson_and_the_same_for_a_seed() -> None:
    arrivals = arrivals_ns(50.0, 20_000, seed=3)
    assert arrivals == arrivals_ns(50.0, 20_000, seed=3) != arrivals_ns(50.0, 20_000, seed=4)
    gaps = [later - earlier for earlier, later in zip((0, *arrivals), arrivals, strict=False)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(1e9 / 50, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.03)  # of an exponential distribution


def test_the_search_ends_beside_the_highest_rate_that_holds() -> None:
    search = RateSearch(None, bound_ns=100, service_ns=10_000_000)  # 100 a second at most
    while (qps := search.next()) is not None:
        search.took(qps, [90 if qps <= 37.0 else 110] * 700)
    assert search.best_qps == pytest.approx(37.0, abs=100 / 64)
    assert all(trial.held == (trial.qps <= 37.0) for trial in search.trials)


def test_a_few_late_answers_of_too_few_do_not_hold() -> None:
    search = RateSearch(5.0, bound_ns=100, service_ns=1)
    assert not search.took(5.0, [90] * 650 + [110] * 12)
    assert search.next() is None and search.best_qps is None
