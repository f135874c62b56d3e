"""A simulated machine: runs whose times vary as real ones do, with a truth that is known."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_TYPICAL_TOKENS: Final = 150
NS_PER_TOKEN: Final = 100_000
_TYPICAL_LOG_NS: Final = math.log(_TYPICAL_TOKENS * NS_PER_TOKEN)


class Machine(NamedTuple):
    """How times vary. Deviations are of logarithms: 0.01 is about 1 %."""

    noise: float = 0.03
    """Standard deviation of each answer, independent."""
    rounds: float = 0.0
    """Standard deviation between the rounds of each bundle."""
    commands: float = 0.0
    """Standard deviation between commands; it meets all bundles of a command."""
    wandering: float = 0.0
    """Standard deviation of a slow wandering of the machine, an autoregressive process."""
    memory: float = 0.0
    """Correlation of this process from one answer to the next."""
    drift: float = 0.0
    """Change from the start to the end of a command."""
    lengths: float = 0.7
    """Standard deviation of the logarithm of the questions' lengths."""

    def log_percentile(self, fraction: float) -> float:
        """The logarithm of a percentile of all questions in all rounds, of a bundle of relative time 1."""
        variance = self.noise**2 + self.rounds**2 + self.lengths**2 + self.wandering**2
        return _TYPICAL_LOG_NS + NormalDist(0, math.sqrt(variance)).inv_cdf(fraction)


class SimulatedRun(NamedTuple):
    """The answers of one bundle, in the order of measurement."""

    time_ns: NDArray[np.float64]
    tokens: NDArray[np.int64]
    round: NDArray[np.int64]


def command(
    rng: np.random.Generator,
    machine: Machine,
    *,
    questions: int = 334,
    rounds: int = 5,
    bundles: Sequence[float] = (0.0,),
    tokens: NDArray[np.int64] | None = None,
    spreads: Sequence[float] | None = None,
) -> list[SimulatedRun]:
    """Simulate a command in which bundles take turns, in an order drawn for each round.

    Args:
        rng: the source of all randomness.
        machine: how times vary.
        questions: how many questions each bundle answers.
        rounds: over how many rounds, as equal as possible.
        bundles: the logarithm of each bundle's time relative to the others.
        tokens: the length of each question; None draws them.
        spreads: standard deviation between the rounds of each bundle; None for the machine's.
    """
    if tokens is None:
        tokens = drawn_tokens(rng, machine, questions)
    count, of_bundles = len(tokens), len(bundles)
    number = np.arange(count) * rounds // count
    deviations = np.full(of_bundles, machine.rounds) if spreads is None else np.asarray(spreads)
    effects = rng.normal(0, 1, (of_bundles, rounds)) * deviations[:, None]
    logs = np.log(tokens * float(NS_PER_TOKEN)) + rng.normal(0, machine.noise, (of_bundles, count))
    logs += effects[:, number] + np.asarray(bundles)[:, None]
    logs += rng.normal(0, machine.commands) if machine.commands else 0.0
    if machine.wandering or machine.drift:
        logs += _course(rng, machine, number, of_bundles)
    return [SimulatedRun(times, tokens, number) for times in np.exp(logs)]


def drawn_tokens(rng: np.random.Generator, machine: Machine, questions: int) -> NDArray[np.int64]:
    """Draw the lengths of questions."""
    tokens: NDArray[np.int64] = np.maximum(
        np.rint(_TYPICAL_TOKENS * rng.lognormal(0, machine.lengths, questions)), 1
    ).astype(np.int64)
    return tokens


def _course(
    rng: np.random.Generator, machine: Machine, number: NDArray[np.int64], bundles: int
) -> NDArray[np.float64]:
    """Draw what the machine does during a command, and return it as each bundle meets it in its turns."""
    sizes = np.bincount(number)
    course = machine.drift * np.linspace(-0.5, 0.5, len(number) * bundles)
    if machine.wandering:
        course = course + machine.wandering * _wandering(rng, len(course), machine.memory)
    met = np.empty((bundles, len(number)))
    at, start = 0, 0
    for size in sizes:
        for bundle in rng.permutation(bundles):
            met[bundle, start : start + size] = course[at : at + size]
            at += size
        start += size
    return met


def _wandering(rng: np.random.Generator, count: int, memory: float) -> NDArray[np.float64]:
    """Draw a stationary autoregressive process of order 1 with variance 1."""
    steps = rng.normal(0, np.sqrt(1 - memory**2), count).tolist()
    value = float(rng.normal())
    values = []
    for step in steps:
        value = memory * value + step
        values.append(value)
    return np.array(values)
