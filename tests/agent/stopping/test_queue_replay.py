"""How long a question occupies the reader, and the p99 of a queue that never ends."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from agent.stopping.queue_replay import (
    Floats,
    occupied_ns,
    relaxation,
    replayed_p99,
    slowdown,
    sojourns_ns,
    squared_variation,
)
from agent.stopping.rate_search import arrivals_ns
from bench.simulations.served import served


def exponential(mean_ns: float, count: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).exponential(mean_ns, count)


def test_questions_wait_for_those_before_them() -> None:
    arrivals = np.array([0.0, 1.0, 2.0, 30.0])
    assert sojourns_ns(arrivals, np.array([5.0, 5.0, 5.0, 5.0])).tolist() == [5, 9, 13, 5]


def test_what_the_reader_does_between_two_questions_occupies_it() -> None:
    times = np.array([1000.0, 1000.0, 1000.0, 1000.0])
    answers = served(np.array([0.0, 100.0, 200.0, 9000.0]), times)
    # Its own clock shows 900 of each 1000, and nobody waits for the end of the third.
    shown = [replace(answer, infer_ns=900) for answer in answers]
    assert occupied_ns(answers).tolist() == times.tolist()
    assert occupied_ns(shown).tolist() == [1000, 1000, 900, 900]


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_the_range_holds_the_p99_of_queueing_theory(load: float) -> None:
    # With exponential times the time from arrival to answer is exponential with mean s / (1 - load).
    truth = -math.log(0.01) * 1e7 / (1 - load)
    found = replayed_p99(exponential(1e7, 3000), qps=load * 100, seed=1)
    assert 0.6 * truth < found.low_ns < truth < found.high_ns < 3 * truth


def test_a_queue_that_may_grow_for_ever_has_no_highest_p99() -> None:
    at_capacity = replayed_p99(exponential(1e7, 600), qps=99, seed=1)
    assert math.isfinite(at_capacity.low_ns) and math.isinf(at_capacity.high_ns)
    assert replayed_p99(exponential(1e7, 600), qps=200, seed=1) == (math.inf, math.inf)


def test_a_busy_queue_remembers_its_length_for_longer() -> None:
    # For exponential times: 1 / (1 - sqrt(load))^2 services (Cohen, The Single Server Queue), near capacity.
    assert relaxation(0.95, 1.0) == pytest.approx(1 / (1 - math.sqrt(0.95)) ** 2, rel=0.1)
    assert (
        relaxation(0.5, 1.0) < relaxation(0.9, 0.5) < relaxation(0.9, 1.0) < relaxation(1.0, 1.0) == math.inf
    )
    assert squared_variation(exponential(1e7, 100_000)) == pytest.approx(1, rel=0.05)


def test_a_machine_that_becomes_slower_is_noticed_and_a_steady_one_is_not() -> None:
    steady = [slowdown(exponential(1e7, 1200, seed)) for seed in range(200)]
    assert sum(factor > 1 for factor in steady) <= 6
    slower = exponential(1e7, 1200) * np.repeat([1.0, 1.3], 600)
    assert 1.1 < slowdown(slower) < 1.5


def test_occupied_times_reproduce_the_measured_waits() -> None:
    arrivals = np.array(arrivals_ns(80.0, 1000, seed=2), np.float64)
    answers = served(arrivals, exponential(1e7, 1000))
    own = np.array([answer.waited_ns + answer.infer_ns for answer in answers])
    assert np.allclose(sojourns_ns(arrivals, occupied_ns(answers)), own, atol=5000)
