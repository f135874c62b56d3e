import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.statistics.binomial import highest_share
from collector.statistics.percentiles import percentile
from collector.statistics.timing.medians import ratio_of_medians

TIMES = st.lists(st.integers(1, 10**12), min_size=1, max_size=50)


@pytest.mark.parametrize(
    ("values", "fraction", "expected"),
    [
        ([5], 0.5, 5),
        ([1, 2], 0.5, 1),
        ([3, 1, 2], 0.5, 2),
        (range(1, 11), 0.9, 9),
        (range(1, 12), 0.9, 10),
        (range(1, 26), 0.28, 7),  # 0.28 * 25 is 7.000000000000001
        (range(1, 51), 0.56, 28),
        (range(1, 1001), 0.999, 999),
    ],
)
def test_percentiles_by_hand(values: list[int], fraction: float, expected: int) -> None:
    assert percentile(values, fraction) == expected


@given(TIMES, st.integers(1, 1000))
def test_a_percentile_is_the_smallest_that_the_fraction_does_not_exceed(
    values: list[int], thousandths: int
) -> None:
    found = percentile(values, thousandths / 1000)
    assert 1000 * sum(v <= found for v in values) >= thousandths * len(values)
    assert 1000 * sum(v < found for v in values) < thousandths * len(values)


def test_a_ratio_of_two_samples_covers_the_truth_of_a_steady_machine() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        first, last = (np.exp(rng.normal(18, 0.7, 33)).astype(np.int64) for _ in range(2))
        found = ratio_of_medians(last, first)
        covered += found.low <= 1 <= found.high
    assert covered >= 180


@pytest.mark.parametrize(
    ("found", "count", "bound"),
    [(0, 200, 1 - 0.05 ** (1 / 200)), (0, 20, 0.1391), (2, 20, 0.2826), (10, 10, 1.0), (5, 100, 0.1023)],
)
def test_the_highest_share_is_clopper_and_pearsons_bound(found: int, count: int, bound: float) -> None:
    assert highest_share(found, count) == pytest.approx(bound, abs=1e-4)
