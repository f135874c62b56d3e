"""Digamma and trigamma against published values and the recurrences that define them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commandline.distributions.polygamma import digamma, inverse_trigamma, trigamma

EULER = 0.5772156649015329
ABOVE_0 = st.floats(0.01, 1e4)


def test_the_values_of_abramowitz_and_stegun() -> None:
    assert digamma(1) == pytest.approx(-EULER, abs=1e-10)
    assert digamma(0.5) == pytest.approx(-EULER - 2 * math.log(2), abs=1e-10)
    assert digamma(2) == pytest.approx(1 - EULER, abs=1e-10)
    assert trigamma(1) == pytest.approx(math.pi**2 / 6, abs=1e-10)
    assert trigamma(0.5) == pytest.approx(math.pi**2 / 2, abs=1e-10)
    assert trigamma(2) == pytest.approx(math.pi**2 / 6 - 1, abs=1e-10)


@given(ABOVE_0)
def test_each_follows_from_the_one_before(x: float) -> None:
    assert digamma(x + 1) - digamma(x) == pytest.approx(1 / x, rel=1e-9, abs=1e-12)
    assert trigamma(x) - trigamma(x + 1) == pytest.approx(1 / x**2, rel=1e-6, abs=1e-12)


@given(st.floats(0.01, 50))
def test_the_inverse_of_trigamma(x: float) -> None:
    assert inverse_trigamma(trigamma(x), 60) == pytest.approx(x, rel=1e-6)


def test_an_inverse_is_at_most_what_is_allowed() -> None:
    assert inverse_trigamma(-1.0, 2) == 2
    assert inverse_trigamma(trigamma(3), 2) == 2
    assert inverse_trigamma(trigamma(1), 2) == pytest.approx(1)
