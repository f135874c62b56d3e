"""Percentiles of times: their intervals."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.simulations.cell import Cell, Required, factor, share
from bench.simulations.machine import Machine, SimulatedRun, command
from bench.simulations.time_ratios import percent
from collector.findings.between_rows import Interval
from collector.statistics.percentiles import FEWEST, percentile, percentile_interval
from collector.statistics.timing.levels import in_all_rounds, level

_FRACTIONS: Final = (0.5, 0.9, 0.99)
_COVERAGE: Final = Required(at_least=0.93)
_NORMAL: Final = 1.96


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate runs of one bundle, on questions of unlike and of similar length."""
    rng = np.random.default_rng(seed)
    yield from _intervals(rng, draws)


def _intervals(rng: np.random.Generator, draws: int) -> Iterator[Cell]:
    situations = [
        *((5, 334, lengths, spread) for lengths in (0.7, 0.2) for spread in (0.005, 0.02, 0.05)),
        (5, 2000, 0.7, 0.02),
        (5, 100, 0.7, 0.02),
        (4, 40, 0.7, 0.02),
    ]
    for rounds, questions, lengths, spread in situations:
        alike = "" if lengths > 0.5 else " of similar length"
        name = f"{rounds} rounds, {questions:,} questions{alike}, spread between rounds {percent(spread)}"
        machine = Machine(rounds=spread, lengths=lengths)
        found = [command(rng, machine, questions=questions, rounds=rounds)[0] for _ in range(draws)]
        for fraction in _FRACTIONS:
            yield from _interval(f"{name}: p{100 * fraction:g}", found, machine, fraction)


def _interval(name: str, found: list[SimulatedRun], machine: Machine, fraction: float) -> Iterator[Cell]:
    truth = machine.log_percentile(fraction)
    if len(found[0].time_ns) < FEWEST[fraction]:
        return
    intervals = [interval for run in found if (interval := _reported(run, fraction)) is not None]
    covered = (low <= math.exp(truth) <= high for low, high in intervals)
    yield share(name, "the interval of a percentile covers the truth", covered, _COVERAGE)
    spread = float(np.std([math.log(percentile(run.time_ns, fraction)) for run in found]))
    widths = np.array([math.log(high / low) for low, high in intervals])
    narrow = "median width of a percentile's interval, over that of one that knows the spread"
    yield factor(name, narrow, widths / (2 * _NORMAL * spread), Required(at_most=1.6))


def _reported(run: SimulatedRun, fraction: float) -> Interval | None:
    """The interval of a percentile in a report."""
    of_questions = percentile_interval(run.time_ns, fraction)
    of_rounds = level(run.time_ns, run.tokens, run.round)
    return in_all_rounds(percentile(run.time_ns, fraction), of_questions, of_rounds, None)
