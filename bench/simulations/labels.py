"""Labels: which rows are called the best, and which are not told apart."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from bench.simulations.cell import Cell, Required, share
from bench.simulations.readers import Sizes, ability_of, sit, some, whole
from collector.comparison.labels.recommendation import (
    BALANCE,
    HIGH_ACCURACY,
    REAL_TIME,
    Candidate,
    Recommendation,
    recommend,
)
from collector.statistics.accuracy.scores import MeanDifference, difference
from collector.statistics.timing.ratios import ratio_in_rounds
from collector.statistics.timing.rounds import RoundMean, mean_of_rounds
from collector.statistics.timing.spread import Spread, moderated

_WRONG: Final = Required(at_most=0.05)
_ROUNDS: Final = 5


class _Rows(NamedTuple):
    """What is true of some rows."""

    name: str
    sizes: Sizes
    f1: tuple[float, ...]
    """From 0 to 1."""
    ms: tuple[float, ...]
    rounds_apart: float = 0.02
    """Standard deviation of the logarithm of a row's time between rounds."""


_PAIRS: Final = (
    _Rows("F1 92.2 and 88.4 %, 40 questions", some(40, 40), (0.884, 0.922), (20, 20.4)),
    _Rows("F1 88.5 and 88.0 %, 334 questions", some(334, 48), (0.880, 0.885), (20, 20.2)),
    _Rows("F1 92.2 and 88.4 %, 334 questions", some(334, 48), (0.884, 0.922), (20, 21)),
    _Rows("F1 88.5 and 88.0 %, 12 whole articles", whole(12), (0.880, 0.885), (20, 20.2)),
)
_MANY: Final = (
    _Rows("six equal rows", some(334, 48), (0.85,) * 6, (20,) * 6),
    _Rows("four rows from F1 89 to 70 %", some(334, 48), (0.89, 0.85, 0.8, 0.7), (400, 90, 40, 15)),
)


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate every situation.

    Args:
        draws: how many sets of rows are drawn for each situation.
        seed: seed of the random draws.
    """
    rng = np.random.default_rng(seed)
    for rows in _PAIRS:
        yield from _worse_alone(rows, [_labelled(rng, rows) for _ in range(draws)])
    for rows in _MANY:
        yield from _best_left_out(rows, [_labelled(rng, rows) for _ in range(draws)])


def _worse_alone(rows: _Rows, found: Sequence[Recommendation]) -> Iterator[Cell]:
    best = {HIGH_ACCURACY: int(np.argmax(rows.f1)), REAL_TIME: int(np.argmin(rows.ms))}
    for label, right in best.items():
        given = [one.labels[label] for one in found]
        name = f"two rows, {rows.name}"
        yield share(name, f"{label} for the worse one alone", [right not in to for to in given], _WRONG)
        yield share(name, f"{label} for the better one alone", [to == (right,) for to in given])


def _best_left_out(rows: _Rows, found: Sequence[Recommendation]) -> Iterator[Cell]:
    best = {HIGH_ACCURACY: int(np.argmax(rows.f1)), REAL_TIME: int(np.argmin(rows.ms))}
    for label, right in best.items():
        given = [one.labels[label] for one in found]
        if len(set(rows.f1)) == 1:
            some = [len(to) < len(rows.f1) for to in given]
            yield share(rows.name, f"{label} for some of them only", some, _WRONG)
        else:
            yield share(rows.name, f"{label} without the best", [right not in to for to in given], _WRONG)
            yield share(rows.name, f"{label} for the best alone", [to == (right,) for to in given])
    if len(set(rows.f1)) > 1:
        last = len(rows.f1) - 1
        balanced = [one.labels.get(BALANCE, ()) for one in found]
        outer = [0 in to or last in to for to in balanced]
        yield share(rows.name, f"{BALANCE} for the most accurate or the fastest", outer, _WRONG)


def _labelled(rng: np.random.Generator, rows: _Rows) -> Recommendation:
    clusters, scores = sit(rng, rows.sizes, [ability_of(f1) for f1 in rows.f1])
    logs = np.log(rows.ms)[:, None] + rng.normal(0, rows.rounds_apart, (len(rows.ms), _ROUNDS))
    candidates = [
        Candidate(100 * float(of_row.mean()), float(np.exp(times.mean())))
        for of_row, times in zip(scores, logs, strict=True)
    ]

    def accuracy(left: int, right: int) -> MeanDifference:
        found = difference(scores[left], scores[right], clusters)
        return MeanDifference(100 * found.value, 100 * found.low, 100 * found.high, found.p_value)

    pairs = list(combinations(range(len(logs)), 2))
    gains = [mean_of_rounds(logs[right] - logs[left], np.ones(_ROUNDS), within=0.0) for left, right in pairs]
    spreads = dict(zip(pairs, moderated([gain.spread for gain in gains]), strict=True))
    means = dict(zip(pairs, gains, strict=True))
    return recommend(
        candidates,
        accuracy,
        lambda left, right: _faster(means[left, right], spreads[left, right]),
    )


def _faster(gain: RoundMean, spread: Spread) -> MeanDifference:
    """Compare the times of two rows that took turns."""
    found = ratio_in_rounds([gain], moderated=[spread])
    low, high = found.interval or (0.0, math.inf)
    return MeanDifference(math.log(found.ratio), math.log(low), math.log(high), found.p_value or 0.0)
