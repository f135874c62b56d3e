import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.statistics.confidence import is_significant
from collector.statistics.means import ratio_of_means
from collector.statistics.percentiles import (
    percentile,
    percentile_interval,
    smooth_log_percentile,
    widened,
)
from collector.statistics.timing.ratios import geometric_mean

TIMES = st.lists(st.integers(1, 10**12), min_size=1, max_size=300)
SCORES = st.lists(st.sampled_from([0.0, 0.5, 2 / 3, 0.8, 1.0]), min_size=1, max_size=200)
FRACTIONS = st.sampled_from([0.5, 0.9, 0.99])


def test_order_statistics_by_hand() -> None:
    # P(all six lie above the median) = 1/64 < 0.025: the extremes enclose it; of five, 1/32 is too likely
    assert percentile_interval([6, 2, 3, 4, 5, 1], 0.5) == (1.0, 6.0)
    assert percentile_interval([1, 2, 3, 4, 5], 0.5) is None
    # Conover's table for n = 20 and the median: ranks 6 and 15
    assert percentile_interval(range(1, 21), 0.5) == (6.0, 15.0)


@given(TIMES, FRACTIONS)
def test_an_interval_contains_its_percentile(values: list[int], fraction: float) -> None:
    interval = percentile_interval(values, fraction)
    if interval is not None:
        assert interval[0] <= percentile(values, fraction) <= interval[1]


def test_repeated_questions_count_once() -> None:
    once = list(range(1, 101))
    for fraction in (0.5, 0.9):
        assert percentile_interval(5 * once, fraction, distinct=100) == percentile_interval(once, fraction)


@given(TIMES, FRACTIONS, st.floats(0, 1))
def test_a_widened_interval_holds_the_narrow_one(values: list[int], fraction: float, reach: float) -> None:
    interval = percentile_interval(values, fraction)
    if interval is not None:
        value = percentile(values, fraction)
        low, high = widened(interval, value, reach)
        assert low <= interval[0] * (1 + 1e-9)
        assert high >= interval[1] * (1 - 1e-9)
        assert widened(interval, value, 0.0) == pytest.approx(interval)


def test_a_reach_adds_as_an_independent_error() -> None:
    low, high = widened((100.0 * math.exp(-0.3), 100.0 * math.exp(0.3)), 100, 0.4)
    assert (low, high) == pytest.approx((100 * math.exp(-0.5), 100 * math.exp(0.5)))


def test_harrell_and_davis_by_hand() -> None:
    # The weights of two values are both 1/2; those of three are of Beta(2, 2): 7/27, 13/27, 7/27.
    assert smooth_log_percentile([1, math.e**2], 0.5) == pytest.approx(1.0)
    assert smooth_log_percentile([1, 1, math.e], 0.5) == pytest.approx(7 / 27)
    assert smooth_log_percentile(np.full(100, math.e), 0.99) == pytest.approx(1.0)


@given(TIMES)
def test_percentiles_are_in_order(values: list[int]) -> None:
    found = [percentile(values, fraction) for fraction in (0.5, 0.9, 0.99, 1.0)]
    assert found == sorted(found)
    assert found[-1] == max(values)


def test_an_interval_covers_as_often_as_it_claims() -> None:
    rng = np.random.default_rng(1)
    samples = rng.integers(0, 10**9, size=(1000, 101))
    hits = 0
    for sample in samples:
        low, high = percentile_interval(sample, 0.9) or (0.0, 0.0)
        hits += low <= 0.9 * 10**9 <= high
    assert 0.94 <= hits / 1000 <= 0.99


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.5, 1.0])), min_size=1))
def test_the_ratio_of_equal_scores_is_one(pairs: list[tuple[float, float]]) -> None:
    scores, reference = zip(*pairs, strict=True)
    assert ratio_of_means(reference, reference) == (1.0, 1.0, 1.0)
    found = ratio_of_means(scores, reference)
    assert found.value == pytest.approx(sum(scores) / sum(reference))
    assert found.low <= found.value <= found.high


def test_geometric_mean_by_hand() -> None:
    assert geometric_mean([1, 4, 16]) == pytest.approx(4.0)


def test_a_difference_is_significant_when_its_interval_leaves_nothing_out() -> None:
    assert is_significant((0.1, 0.3), 0.0)
    assert not is_significant((-0.1, 0.3), 0.0)
    assert not is_significant((1.0, 1.0), 1.0)
