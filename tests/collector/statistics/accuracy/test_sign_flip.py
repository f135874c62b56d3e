import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.statistics.accuracy import sign_flip as module
from collector.statistics.accuracy.sign_flip import sign_flip

FEW = st.lists(st.sampled_from([-1.0, -0.5, -1 / 3, 0.0, 0.25, 1.0]), max_size=9)


def test_by_hand() -> None:
    assert sign_flip([1.0] * 4) == pytest.approx(2 / 16), "four answers all one way prove nothing"
    assert sign_flip([0.5] * 6) == pytest.approx(2 / 64)
    assert sign_flip([2.0, 1.0]) == pytest.approx(0.5)
    assert sign_flip([2.0, -1.0]) == 1.0
    assert sign_flip([0.0, 0.0]) == sign_flip([]) == 1.0


@given(FEW)
def test_few_differences_have_the_exact_p_value_of_all_flips(values: list[float]) -> None:
    flips = [abs(float(np.dot(values, signs))) for signs in product((-1, 1), repeat=len(values))]
    exact = sum(flip >= abs(sum(values)) - 1e-9 for flip in flips) / len(flips)
    assert sign_flip(values) == pytest.approx(exact)


@given(st.integers(0, 400), st.integers(0, 400))
def test_of_equal_sizes_it_is_the_sign_test(better: int, worse: int) -> None:
    smaller, total = min(better, worse), better + worse
    tail = sum(math.comb(total, k) for k in range(smaller + 1)) / 2**total
    exact = min(1.0, 2 * tail)
    assert sign_flip([0.7] * better + [-0.7] * worse) == pytest.approx(exact, rel=1e-9, abs=1e-30)


def test_mcnemar_by_hand() -> None:
    assert sign_flip([1.0] * 5 + [-1.0] * 15) == pytest.approx(0.0413894653)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_drawn_flips_agree_with_all_flips(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.4, 1, 14)
    exact = sign_flip(values)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_ALL_FLIPS", 0)
        drawn = sign_flip(values)
    assert drawn == pytest.approx(exact, abs=5 * math.sqrt(exact / 9999) + 1e-3)


def test_for_many_differences_flips_are_normal() -> None:
    # 700 differences between -1 and 1 are worth 389 of one size
    values = np.random.default_rng(1).uniform(-1, 1, 700) + 0.04
    normal = sign_flip(values)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_MANY", 2000)
        assert sign_flip(values) == pytest.approx(normal, abs=0.01)
    assert 0.01 < normal < 0.5


def test_a_few_large_differences_among_many_small_ones_are_flipped() -> None:
    values = np.concatenate((np.full(5, 10.0), np.tile([0.01, -0.01], 500)))
    # all five large ones go one way in 1 of 16, and in half of these the small ones do not go the other way
    assert sign_flip(values) == pytest.approx(0.5 / 16, abs=0.01)


def test_the_same_differences_have_the_same_p_value_whatever_their_sign() -> None:
    values = np.random.default_rng(2).normal(0.2, 1, 150)
    assert sign_flip(values) == sign_flip(values) == sign_flip(-values)
