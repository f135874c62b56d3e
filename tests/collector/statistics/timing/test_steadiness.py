"""What is remarked about a run, and what is not; `bench.truth` counts how often."""

import numpy as np
import pytest
from numpy.typing import NDArray

from collector.statistics.timing.steadiness import Steadiness, steadiness

ROUNDS = np.arange(400) // 80
Floats = NDArray[np.float64]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def found(rng: np.random.Generator, course: Floats) -> Steadiness:
    tokens = np.rint(150 * rng.lognormal(0, 0.7, 400))
    times = 1e5 * tokens * np.exp(course + rng.normal(0, 0.03, 400))
    return steadiness(times, tokens, ROUNDS)


def test_a_steady_machine_is_not_remarked(rng: np.random.Generator) -> None:
    assert found(rng, np.zeros(400)) == (None, None)


def test_rounds_that_differ_are_not_remarked(rng: np.random.Generator) -> None:
    assert found(rng, np.array([0.05, -0.04, 0.0, 0.06, -0.05])[ROUNDS]) == (None, None)


def test_a_drift_is_measured_by_its_line(rng: np.random.Generator) -> None:
    drift = found(rng, np.linspace(0, np.log(1.3), 400))
    assert drift.drift == pytest.approx(1.3, abs=0.03)
    assert drift.is_remarkable


def test_a_small_drift_is_no_remark(rng: np.random.Generator) -> None:
    drift = found(rng, np.linspace(0, 0.03, 400))
    assert drift.drift == pytest.approx(1.03, abs=0.02)
    assert not drift.drifts


def test_a_slow_change_persists(rng: np.random.Generator) -> None:
    waves = 0.05 * np.sin(2 * np.pi * np.arange(400) / 150)
    assert found(rng, waves).persistent == pytest.approx(0.035, abs=0.015)


def test_a_short_change_is_noise(rng: np.random.Generator) -> None:
    assert found(rng, 0.05 * np.sin(2 * np.pi * np.arange(400) / 3)).persistent is None


def test_a_run_without_rounds_is_divided() -> None:
    tokens = np.full(100, 150)
    times = 1e7 * np.exp(np.linspace(0, 0.5, 100))
    assert steadiness(times, tokens, np.zeros(100)).drifts
    assert steadiness([], [], []) == (None, None)
    assert steadiness([1, 2, 3], [1, 2, 3], [0, 0, 0]) == (None, None)
