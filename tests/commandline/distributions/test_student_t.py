"""Student's t and Fisher's F against published tables and closed forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commandline.distributions.student_t import f_probability, t_p_value, t_quantile

FREEDOM = st.floats(0.5, 1e6)


@pytest.mark.parametrize(
    ("freedom", "confidence", "t"),
    [
        (1, 0.95, 12.7062),
        (2, 0.95, 4.3027),
        (3, 0.95, 3.1824),
        (4, 0.95, 2.7764),
        (6, 0.95, 2.4469),
        (9, 0.95, 2.2622),
        (30, 0.95, 2.0423),
        (120, 0.95, 1.9799),
        (math.inf, 0.95, 1.9600),
        (4, 0.99, 4.6041),
        (4, 0.90, 2.1318),
    ],
)
def test_quantiles_are_those_of_the_tables(freedom: float, confidence: float, t: float) -> None:
    assert t_quantile(freedom, confidence) == pytest.approx(t, abs=1e-4)


@given(st.floats(-1e4, 1e4))
def test_one_degree_of_freedom_is_the_cauchy_distribution(t: float) -> None:
    assert t_p_value(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(abs(t)), abs=1e-12)


@given(st.floats(-1e4, 1e4))
def test_two_degrees_of_freedom_have_a_closed_form(t: float) -> None:
    assert t_p_value(t, 2) == pytest.approx(1 - abs(t) / math.sqrt(2 + t * t), abs=1e-12)


@given(FREEDOM, st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]))
def test_a_quantile_has_the_p_value_of_its_confidence(freedom: float, confidence: float) -> None:
    assert t_p_value(t_quantile(freedom, confidence), freedom) == pytest.approx(1 - confidence, rel=1e-6)


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert t_p_value(1.5, 1e7) == pytest.approx(t_p_value(1.5, math.inf), rel=1e-6)
    assert t_p_value(0.0, 3) == 1.0


@pytest.mark.parametrize(
    ("above", "below", "f"), [(1, 1, 161.448), (4, 4, 6.3882), (4, 16, 3.0069), (10, 20, 2.3479)]
)
def test_f_is_that_of_the_tables(above: float, below: float, f: float) -> None:
    assert f_probability(f, above, below) == pytest.approx(0.95, abs=1e-5)
    assert f_probability(1 / f, below, above) == pytest.approx(0.05, abs=1e-5)


def test_f_begins_at_zero() -> None:
    assert f_probability(0.0, 4, 4) == 0.0


@pytest.mark.parametrize(
    ("freedom", "at_975", "at_80"),
    [(1, 12.706, 1.376), (2, 4.303, 1.061), (3, 3.182, 0.978), (4, 2.776, 0.941), (9, 2.262, 0.883)],
)
def test_quantiles_of_t_are_those_of_the_tables(freedom: int, at_975: float, at_80: float) -> None:
    assert t_quantile(freedom, 0.95) == pytest.approx(at_975, abs=6e-4)
    assert t_quantile(freedom, 0.6) == pytest.approx(at_80, abs=6e-4)


def test_with_many_degrees_of_freedom_t_is_normal() -> None:
    assert t_quantile(1000, 0.95) == pytest.approx(1.9623, abs=1e-4)
