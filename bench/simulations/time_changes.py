"""`collector compare` of two bundles that took turns: false alarms, power, and limits of `--fail-if`."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.simulations.cell import Cell, Required, share
from bench.simulations.machine import Machine, SimulatedRun, command
from bench.simulations.time_ratios import SPREADS, percent
from collector.comparison_inputs.rounds import PairedTimes, Turn
from collector.findings.verdict import FAILS
from collector.regression.changes import Change
from collector.regression.limits import judged, parse_limits
from collector.regression.regression import NOISE
from collector.regression.time_changes import time_changes
from collector.statistics.confidence import SIGNIFICANCE

_AT_MOST: Final = Required(at_most=SIGNIFICANCE)
_FOUND: Final = Required(at_least=0.9)
_LIMITS: Final = ("time>0%", "p50>5%", "p90>5%", "p99>5%")
"""Judged where the rounds vary most."""
_ROUNDS: Final = 5


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate comparisons of equal bundles, and of bundles that differ by 5 %."""
    rng = np.random.default_rng(seed)
    for spread in SPREADS:
        for questions, count in ((334, draws), (2000, max(draws // 4, 1))):
            name = f"{_ROUNDS} rounds, {questions:,} questions, spread between rounds {percent(spread)}"
            compared = [_changes(rng, spread, questions, 0.0) for _ in range(count)]
            alarms = (any(change.significant for change in changes) for changes in compared)
            yield share(name, "compare calls any time of two equal bundles significant", alarms, _AT_MOST)
            for limit in _LIMITS if spread == max(SPREADS) else ():
                broken = (_breaks(changes, limit) for changes in compared)
                yield share(f"{name}, {limit}", "compare breaks a limit of equal bundles", broken, _AT_MOST)
    compared = [_changes(rng, 0.01, 334, math.log1p(0.05)) for _ in range(draws)]
    for metric in ("time", "p50", "p90"):
        hits = (_significant(changes, metric) for changes in compared)
        name = f"{_ROUNDS} rounds, 334 questions, spread between rounds 1 %, {metric}"
        yield share(name, "compare finds a time that is 5 % longer", hits, _FOUND)
    hits = (_breaks(changes, "time>1%") for changes in compared)
    name = f"{_ROUNDS} rounds, 334 questions, spread between rounds 1 %, time>1%"
    yield share(name, "compare breaks a limit of 1 % if a time is 5 % longer", hits, _FOUND)


def _changes(rng: np.random.Generator, spread: float, questions: int, slower: float) -> list[Change]:
    before, after = command(rng, Machine(rounds=spread), questions=questions, bundles=(0.0, slower))
    return list(time_changes(_paired(before, after), None))


def _paired(before: SimulatedRun, after: SimulatedRun) -> PairedTimes:
    turns = tuple(Turn("device", "epoch", number) for number in range(_ROUNDS))
    question = np.arange(len(before.time_ns), dtype=np.uint64)
    left, right = (np.rint(run.time_ns).astype(np.int64) for run in (before, after))
    return PairedTimes(left, right, question, before.round, turns)


def _breaks(changes: list[Change], limit: str) -> bool:
    (found,) = judged(parse_limits(limit), changes, NOISE, _ROUNDS)
    return found.verdict.outcome == FAILS


def _significant(changes: list[Change], metric: str) -> bool:
    return any(change.significant for change in changes if change.metric == metric)
