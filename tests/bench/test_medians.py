"""The ratio of medians that benchmarks print."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.races.medians import speed_up

TIMES = st.lists(st.integers(1, 10**12), min_size=1, max_size=50)
PAIRED_TIMES = st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=200)


@settings(max_examples=30)
@given(PAIRED_TIMES)
def test_a_bootstrap_holds_its_estimate_and_repeats(pairs: list[tuple[int, int]]) -> None:
    slow, fast = zip(*pairs, strict=True)
    found = speed_up(slow, fast)
    assert found is not None
    assert found.low <= found.ratio <= found.high
    assert found == speed_up(slow, fast)


def test_the_bootstrap_of_medians_is_the_plain_one() -> None:
    rng = np.random.default_rng(2)
    length = rng.lognormal(0, 0.4, 3000)
    slow = (length * rng.lognormal(0, 0.2, 3000) * 1e8).astype(np.int64)
    fast = (length * rng.lognormal(0, 0.2, 3000) * 1e7).astype(np.int64)
    drawn = rng.integers(3000, size=(2000, 3000))
    plain = np.sort(slow[drawn], axis=1)[:, 1499] / np.sort(fast[drawn], axis=1)[:, 1499]
    found = speed_up(slow, fast)
    assert found is not None
    width = found.high - found.low
    assert (found.low, found.high) == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=0.1 * width)


@given(TIMES)
def test_nothing_is_faster_than_itself(values: list[int]) -> None:
    assert speed_up(values, values) == (1.0, len(values), 1.0, 1.0)
