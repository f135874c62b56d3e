"""How small a difference can be detected: against tables, and against simulated commands."""

from math import log, sqrt

import numpy as np
import pytest

from agent.planning.detection import (
    ASSUMED_SPREAD,
    smallest_f1_difference,
    smallest_time_difference,
    t_quantile,
)


@pytest.mark.parametrize(
    ("freedom", "at_975", "at_80"),
    [(1, 12.706, 1.376), (2, 4.303, 1.061), (3, 3.182, 0.978), (4, 2.776, 0.941), (9, 2.262, 0.883)],
)
def test_quantiles_of_t_are_those_of_the_tables(freedom: int, at_975: float, at_80: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(at_975, abs=6e-4)
    assert t_quantile(0.8, freedom) == pytest.approx(at_80, abs=6e-4)


def test_with_many_degrees_of_freedom_t_is_normal() -> None:
    assert t_quantile(0.975, 1000) == pytest.approx(1.9623, abs=1e-4)


@pytest.mark.parametrize("rounds", [3, 5, 10])
def test_a_difference_of_that_size_is_found_in_four_of_five_commands(rounds: int) -> None:
    smallest = smallest_time_difference(rounds, ASSUMED_SPREAD)
    assert smallest is not None
    ratios = np.random.default_rng(7).normal(log(1 + smallest), ASSUMED_SPREAD, (20_000, rounds))
    t = ratios.mean(axis=1) / (ratios.std(axis=1, ddof=1) / sqrt(rounds))
    assert np.mean(t > t_quantile(0.975, rounds - 1)) == pytest.approx(0.8, abs=0.04)


def test_what_the_defaults_detect() -> None:
    assert smallest_time_difference(5, 0.02) == pytest.approx(0.0338, abs=1e-4)
    assert smallest_time_difference(3, 0.02) == pytest.approx(0.0639, abs=1e-4)
    assert smallest_time_difference(1, 0.02) is None


def test_the_worst_case_of_f1_is_two_bundles_of_which_one_is_right_each_time() -> None:
    questions = 334
    smallest = smallest_f1_difference(questions)
    assert smallest == pytest.approx(0.1533, abs=1e-4)
    one_is_better = np.random.default_rng(7).random((20_000, questions)) < (1 + smallest) / 2
    differences = np.where(one_is_better, 1.0, -1.0)
    z = differences.mean(axis=1) / (differences.std(axis=1, ddof=1) / sqrt(questions))
    assert np.mean(z > 1.96) == pytest.approx(0.8, abs=0.02)
    assert smallest_f1_difference(4) == 1.0
