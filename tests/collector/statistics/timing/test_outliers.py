"""False alarms and missed disturbances of the rule for outliers, in simulated runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collector.statistics.timing.outliers import outliers, too_many_outliers

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]


def _drifting(rng: np.random.Generator, count: int) -> Floats:
    """Make times in which each answer resembles the previous one."""
    steps = rng.normal(0, 0.03, count)
    levels = np.zeros(count)
    for i in range(1, count):
        levels[i] = 0.95 * levels[i - 1] + steps[i]
    return np.exp(levels)


CLEAN: dict[str, Noise] = {
    "narrow": lambda rng, count: np.exp(rng.normal(0, 0.03, count)),
    "wide": lambda rng, count: np.exp(rng.normal(0, 0.1, count)),
    "very wide": lambda rng, count: np.exp(rng.normal(0, 0.25, count)),
    "gamma": lambda rng, count: rng.gamma(16, 1 / 16, count),
    "exponential tail": lambda rng, count: 1 + rng.exponential(0.1, count),
    "heavy tails": lambda rng, count: np.exp(0.05 * rng.standard_t(5, count)),
    "Pareto tail": lambda rng, count: 1 + 0.05 * rng.pareto(2.5, count),
    "two clocks": lambda rng, count: np.exp(rng.normal(0, 0.04, count)) * rng.choice([1, 1.25], count),
    "drifting": _drifting,
}
"""Times of undisturbed questions, as shares of their typical times."""


def reported(noise: Noise, count: int, disturbed: float = 0.0, slower: float = 1.0, runs: int = 200) -> float:
    """Simulate runs and return the share of them that the rule reports."""
    rng = np.random.default_rng(1)
    spoken = 0
    for _ in range(runs):
        tokens: NDArray[Any] = np.clip(rng.lognormal(np.log(150), 0.45, count), 30, 1200).round()
        times = (2e6 + 6e4 * tokens + 20 * tokens**2) * noise(rng, count)
        times *= np.where(rng.random(count) < disturbed, slower, 1.0)
        spoken += too_many_outliers(outliers(times, tokens), count)
    return spoken / runs


@pytest.mark.parametrize("name", CLEAN)
def test_clean_times_are_seldom_suspected(name: str) -> None:
    assert max(reported(CLEAN[name], count) for count in (64, 300, 1000)) <= 0.02


@pytest.mark.parametrize("name", ["narrow", "wide", "exponential tail", "heavy tails"])
@pytest.mark.parametrize("disturbed", [0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("slower", [2.0, 3.0])
def test_what_disturbs_answers_is_found(name: str, disturbed: float, slower: float) -> None:
    assert reported(CLEAN[name], 300, disturbed, slower, runs=100) >= 0.97


def test_what_slows_down_most_answers_is_left_to_the_other_rules() -> None:
    """Such a disturbance shows as drift, or when the run is repeated."""
    assert reported(CLEAN["wide"], 300, 0.6, 2.0, runs=100) <= 0.02


def test_two_of_a_few_are_chance() -> None:
    assert not too_many_outliers(2, 64)
    assert too_many_outliers(3, 64)
    assert not too_many_outliers(10, 1000)
    assert too_many_outliers(11, 1000)


def test_outliers_by_hand() -> None:
    steady = [100, 101, 99, 102, 98, 100, 103, 97] * 10
    same = [100] * len(steady)
    assert outliers(steady, same) == 0
    assert outliers([*steady, 1000, 10], [*same, 100, 100]) == 1  # nothing makes a machine faster
    assert outliers([5, 5, 5], [1, 1, 1]) == 0
    assert outliers([], []) == 0


@given(st.integers(1, 2**32), st.sampled_from([150, 1000, 20_000]), st.floats(0.0, 0.04))
def test_long_contexts_are_no_outliers_and_disturbed_answers_are(
    seed: int, count: int, disturbed: float
) -> None:
    rng = np.random.default_rng(seed)
    tokens = rng.lognormal(5, 0.6, count).astype(np.int64) + 8  # the longest takes 30 times the median
    times = 1e6 * (3 + 0.05 * tokens + 5e-5 * tokens**2) * rng.lognormal(0, 0.03, count)
    slow = rng.random(count) < disturbed
    times[slow] *= rng.uniform(2, 5, int(slow.sum()))
    assert abs(outliers(times, tokens) - slow.sum()) <= max(5, count // 1000)
