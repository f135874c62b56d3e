"""How small a difference can be detected: against tables, and against simulated commands."""

from math import log, sqrt

import numpy as np
import pytest

from collector.statistics.accuracy.transfer import correction
from commandline.distributions.student_t import t_quantile
from commandline.estimation.detection import (
    ASSUMED_SPREAD,
    narrowest_transfer,
    smallest_f1_difference,
    smallest_time_difference,
)


@pytest.mark.parametrize("rounds", [3, 5, 10])
def test_a_difference_of_that_size_is_found_in_four_of_five_commands(rounds: int) -> None:
    smallest = smallest_time_difference(rounds, ASSUMED_SPREAD)
    assert smallest is not None
    ratios = np.random.default_rng(7).normal(log(1 + smallest), ASSUMED_SPREAD, (20_000, rounds))
    t = ratios.mean(axis=1) / (ratios.std(axis=1, ddof=1) / sqrt(rounds))
    assert np.mean(t > t_quantile(rounds - 1, 0.95)) == pytest.approx(0.8, abs=0.04)


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


@pytest.mark.parametrize(("asked", "questions"), [(2, 10), (50, 10_570), (200, 10_570), (200, 300), (9, 9)])
def test_a_transfer_is_as_narrow_as_the_collectors_without_a_flip(asked: int, questions: int) -> None:
    scores = np.ones(questions)
    found = correction(scores[:asked], scores, np.arange(asked))
    assert narrowest_transfer(asked, questions) == pytest.approx(found.reach)
