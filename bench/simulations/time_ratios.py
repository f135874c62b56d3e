"""Ratios of times: false alarms, power, and intervals."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from bench.simulations.cell import NOTHING, Cell, Required, factor, share
from bench.simulations.machine import Machine, SimulatedRun, command, drawn_tokens
from collector.statistics.confidence import SIGNIFICANCE, is_significant
from collector.statistics.timing.ratios import (
    TimeRatio,
    log_ratios,
    ratio_at_different_times,
    ratio_in_rounds,
)
from collector.statistics.timing.rounds import RoundMean
from collector.statistics.timing.spread import Spread
from collector.statistics.timing.steadiness import steadiness
from commandline.estimation.rounds import LEAST_QUESTIONS

SPREADS: Final = (0.0, 0.005, 0.01, 0.02, 0.05)
_FALSE_ALARM: Final = "two equal bundles are called different"
_COVERS: Final = "the interval of a ratio covers the truth"
_WIDTH: Final = "median width of a ratio's interval, over that of one that knows the spread"
_AT_MOST: Final = Required(at_most=SIGNIFICANCE)
_COVERAGE: Final = Required(at_least=0.93)
_NARROW: Final = Required(at_most=1.6)
_NORMAL: Final = 1.96
_UNSTEADY: Final = {
    "wandering by 5 %, with a memory of 50 answers": Machine(wandering=0.05, memory=0.98),
    "drift of 30 %": Machine(drift=0.3),
}


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate comparisons of bundles that take turns, and of different commands."""
    rng = np.random.default_rng(seed)
    yield from _single(rng, draws)
    yield from _commands(rng, draws)
    yield from _devices(rng, draws)
    yield from _short_rounds(np.random.default_rng(seed), draws)


def compared(slower: SimulatedRun, faster: SimulatedRun) -> RoundMean:
    """Compare two runs that took turns."""
    return log_ratios(slower.time_ns, faster.time_ns, slower.round)


def is_remarked(run: SimulatedRun) -> bool:
    """Say whether a report remarks that the machine was not steady."""
    return steadiness(run.time_ns, run.tokens, run.round).is_remarkable


def differs(found: TimeRatio) -> bool:
    """Say whether a report calls two rows different."""
    return (
        found.interval is not None
        and found.p_value is not None
        and is_significant(found.interval, 1.0)
        and found.p_value < SIGNIFICANCE
    )


def _single(rng: np.random.Generator, draws: int) -> Iterator[Cell]:
    for rounds, questions in ((5, 334), (5, 2000), (4, 40), (3, 30)):
        for spread in SPREADS if questions == 334 else (0.01,):
            yield from _equal(rng, draws, questions, rounds, spread)
    for what, machine in _UNSTEADY.items():
        pairs = [command(rng, machine, bundles=(0, 0)) for _ in range(draws)]
        alarms = [
            differs(ratio_in_rounds([compared(*pair)])) and not any(map(is_remarked, pair)) for pair in pairs
        ]
        yield share(
            f"5 rounds, 334 questions, {what}", f"{_FALSE_ALARM}, and no remark stands", alarms, _AT_MOST
        )
    machine = Machine(rounds=0.01)
    for effect, required in ((0.05, Required(at_least=0.9)), (0.02, NOTHING)):
        bundles = (math.log1p(effect), 0.0)
        found = [ratio_in_rounds([compared(*command(rng, machine, bundles=bundles))]) for _ in range(draws)]
        name = "5 rounds, 334 questions, spread between rounds 1 %"
        yield share(name, f"a difference of {percent(effect)} is found", map(differs, found), required)


def _short_rounds(rng: np.random.Generator, draws: int) -> Iterator[Cell]:
    """Simulate rounds with as few questions as the agent allows."""
    for spread in (0.01, 0.05):
        yield from _equal(rng, draws, 5 * LEAST_QUESTIONS, 5, spread)


def _equal(
    rng: np.random.Generator, draws: int, questions: int, rounds: int, spread: float
) -> Iterator[Cell]:
    """Simulate two equal bundles that take turns."""
    name = f"{rounds} rounds, {questions:,} questions, spread between rounds {percent(spread)}"
    machine = Machine(rounds=spread)
    found = [
        ratio_in_rounds(
            [compared(*command(rng, machine, questions=questions, rounds=rounds, bundles=(0, 0)))]
        )
        for _ in range(draws)
    ]
    yield share(name, _FALSE_ALARM, map(differs, found), _AT_MOST)
    yield from _interval(name, found, 0.0, _oracle(machine, questions, rounds), narrow=rounds > 3)


def _commands(rng: np.random.Generator, draws: int) -> Iterator[Cell]:
    """Simulate bundles that were measured by different commands, on a device that repeated others before."""
    repeats = 5
    for spread in SPREADS[1:]:
        machine = Machine(rounds=0.01, commands=spread)
        found = []
        for _ in range(draws):
            tokens = drawn_tokens(rng, machine, 334)
            runs = [command(rng, machine, tokens=tokens)[0] for _ in range(2 + 2 * repeats)]
            before = [compared(runs[i], runs[i + 1]).log for i in range(2, len(runs), 2)]
            known = Spread(sum(log**2 for log in before) / (2 * repeats), repeats)
            found.append(ratio_at_different_times([compared(*runs[:2])], [(1, 1)], known))
        name = f"different commands, spread between commands {percent(spread)}, {repeats} repetitions before"
        variance = 2 * spread**2 + _oracle(machine, 334, 5) ** 2
        yield share(name, _FALSE_ALARM, map(differs, found), _AT_MOST)
        yield from _interval(name, found, 0.0, math.sqrt(variance))


def _devices(rng: np.random.Generator, draws: int) -> Iterator[Cell]:
    """Simulate boards whose ratio differs by 5 %, and one round on a board whose spread is known."""
    machine, between = Machine(rounds=0.01), 0.05
    for count in (3, 5, 8):
        found, truths = [], []
        for _ in range(max(draws // 2, 1)):
            own = rng.normal(0, between, count)
            parts = [compared(*command(rng, machine, questions=100, bundles=(log, 0.0))) for log in own]
            found.append(ratio_in_rounds(parts))
            truths.append(float(own.mean()) if found[-1].scope == "these devices" else 0.0)
        of = "these devices" if count < 5 else "the machine type"
        yield share(
            f"{count} devices that differ by 5 %, of {of}",
            _COVERS,
            map(_covers, found, truths),
            _COVERAGE,
        )
    for spread in SPREADS[1:]:
        machine = Machine(rounds=spread)
        found = []
        for _ in range(draws):
            known = Spread(spread**2 * rng.chisquare(8) / 8, 8)
            found.append(
                ratio_in_rounds([compared(*command(rng, machine, rounds=1, bundles=(0, 0)))], known=known)
            )
        name = f"1 round, 334 questions, spread between rounds {percent(spread)}, known from 8 others"
        yield from _interval(name, found, 0.0, _oracle(machine, 334, 1))
        claims = "of one round, two equal bundles are called different"
        yield share(name, claims, map(differs, found), Required(at_most=0.0))


def _oracle(machine: Machine, questions: int, rounds: int) -> float:
    """Standard error of a log ratio of two rows, by one who knows how the machine varies."""
    return math.sqrt(2 * (machine.rounds**2 / rounds + machine.noise**2 / questions))


def _interval(
    name: str, found: Sequence[TimeRatio], truth: float, error: float, *, narrow: bool = True
) -> Iterator[Cell]:
    yield share(name, _COVERS, (_covers(one, truth) for one in found), _COVERAGE)
    widths = [math.log(one.interval[1] / one.interval[0]) for one in found if one.interval is not None]
    widths_over = np.array(widths) / (2 * _NORMAL * error)
    yield factor(
        name, _WIDTH if narrow else f"{_WIDTH}, of few rounds", widths_over, _NARROW if narrow else NOTHING
    )


def _covers(found: TimeRatio, truth: float) -> bool:
    return found.interval is not None and found.interval[0] <= math.exp(truth) <= found.interval[1]


def percent(value: float) -> str:
    """Write a share as percent."""
    return f"{100 * value:g} %"
