"""The range of p99 in a queue that never ends, from one limited measurement of it.

Waiting times follow from two things: when questions arrive, which the agent draws itself, and how long each
one occupies the reader, which is measured. The waits of one trial are one draw of chance, and they depend on
each other, because a queue that is long stays long. So the measured times are replayed against many arrivals:

1. The measured times are divided into batches, in their order.
2. A replay draws some of the batches at random: what could have been measured as well.
3. Batches drawn from these, with new arrivals, make a queue that is far longer than the trial. The first part
   of it, in which the queue fills, is dropped. Its p99 is the replay's.
4. The lowest and the highest p99 of all replays are the range.

A replay whose questions arrive as fast as they can be answered has no p99: its queue grows for ever.
Batch means and their number: B. Schmeiser, "Batch Size Effects in the Analysis of Simulation Output",
Operations Research 30 (1982). Relaxation time: W. Whitt, "Planning Queueing Simulations", Management Science
35 (1989).
"""

from collections.abc import Sequence
from math import ceil, inf, sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.worker.protocol import time_ns
from contract.records import Answer

Floats = NDArray[np.float64]

BATCHES: Final = 30
FEWEST: Final = 2 * BATCHES
"""The fewest times that can be replayed."""
_DRAWN: Final = 15
"""Batches that a replay draws. As many as there are would vary too little, and the range would hold too
seldom: `python -m bench.truth --only server` counts how often it does."""
_REPLAYS: Final = 100
"""Another replay would exceed the highest of these with a probability of 1 %."""
_SHORTEST: Final = 20_000
_RELAXATIONS: Final = 60
"""Length of a replay, in questions and in relaxation times, whichever is longer."""
_STRETCH: Final = 7
"""A replay has at most this many times the questions of the trial, unless that is below the shortest."""
_T: Final = 2.763
"""99.5 % of Student's t with 28 degrees of freedom lie below: two halves of 15 batches each."""


class Range(NamedTuple):
    """The lowest and the highest plausible p99; infinite for a queue that grows for ever."""

    low_ns: float
    high_ns: float


def occupied_ns(answers: Sequence[Answer]) -> Floats:
    """How long each question kept the reader from the next one, in nanoseconds.

    If the next question already waited, this is the time until that one was begun, so it includes whatever
    the reader did in between. Otherwise it is the question's own time.

    Args:
        answers: in the order in which they were given.
    """
    own = np.array([time_ns(answer) for answer in answers], np.float64)
    began = np.array([answer.at_ns for answer in answers], np.float64)
    arrived = began - np.array([answer.waited_ns for answer in answers], np.float64)
    queued = arrived[1:] < began[:-1] + own[:-1]
    return np.append(np.where(queued, np.maximum(np.diff(began), own[:-1]), own[:-1]), own[-1:])


def relaxation(load: float, squared_variation: float) -> float:
    """After how many questions a queue has forgotten its length: the relaxation time of a busy queue.

    Args:
        load: share of the time in which the reader is busy; from 1 on, a queue never forgets.
        squared_variation: variance of the times over the square of their mean.
    """
    return inf if load >= 1 else 2 * load**2 * (1 + squared_variation) / (1 - load) ** 2


def squared_variation(occupied: Floats) -> float:
    """Variance of times over the square of their mean, at least one of which is above 0."""
    return float(occupied.var() / occupied.mean() ** 2)


def replayed_p99(occupied: Floats, qps: float, seed: int) -> Range:
    """The range of p99, waits included, if questions arrived at this rate for ever.

    Args:
        occupied: as `occupied_ns` returns it: at least `FEWEST` times.
        qps: how many questions arrive per second on average, at random.
        seed: of the random draws.
    """
    batches = _batches(occupied)
    load = qps * float(occupied.mean()) / 1e9
    forgotten = _RELAXATIONS * relaxation(load, squared_variation(occupied))
    length = max(_SHORTEST, min(forgotten, _STRETCH * occupied.size))
    draws = np.random.default_rng(seed)
    places = draws.integers(0, _DRAWN, ceil(length / batches.shape[1]))
    arrivals = np.cumsum(draws.exponential(1e9 / qps, places.size * batches.shape[1]))
    found = [
        _p99(batches[draws.integers(0, BATCHES, _DRAWN)], places, arrivals, qps) for _ in range(_REPLAYS)
    ]
    return Range(min(found), max(found))


def slowdown(occupied: Floats) -> float:
    """By which factor the second half of the times is slower than the first; 1 if that could be chance.

    Args:
        occupied: at least `FEWEST` times.
    """
    means = _batches(occupied).mean(axis=1)
    first, second = means[: BATCHES // 2], means[BATCHES // 2 :]
    error = sqrt((first.var(ddof=1) + second.var(ddof=1)) / (BATCHES // 2))
    change = float(second.mean() - first.mean())
    return 1 + change / float(first.mean()) if change > _T * error else 1.0


def _batches(occupied: Floats) -> Floats:
    size = occupied.size // BATCHES
    return occupied[occupied.size - size * BATCHES :].reshape(BATCHES, size)


def _p99(batches: Floats, places: NDArray[np.int64], arrivals: Floats, qps: float) -> float:
    if batches.mean() * qps >= 1e9:
        return inf
    times = sojourns_ns(arrivals, batches[places].reshape(-1))[arrivals.size // 10 :]
    rank = ceil(0.99 * times.size) - 1
    return float(np.partition(times, rank)[rank])


def sojourns_ns(arrivals: Floats, occupied: Floats) -> Floats:
    """The time from each arrival to the end of its answer, first come first served: Lindley's recursion.

    Args:
        arrivals: ascending, in nanoseconds.
        occupied: how long each question occupies the reader.
    """
    ends = np.cumsum(occupied)
    begun_at_best = arrivals - np.concatenate(([0.0], ends[:-1]))
    found: Floats = np.maximum.accumulate(begun_at_best) + ends - arrivals
    return found
