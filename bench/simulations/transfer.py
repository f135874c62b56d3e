"""Accuracy taken over: the interval of the transfer, by how many answers differ and how many were asked.

The source answered 10,570 questions. "Real" changes are like those of three pairs of the demo's reader: half
of the answers that differ keep their F1, and the others change it by 0.5 on average.
"""

from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from bench.simulations.cell import NOTHING, Cell, Required, factor, share
from collector.statistics.accuracy.transfer import correction

QUESTIONS: Final = 10_570
_COVERS: Final = Required(at_least=0.93)
_NARROW: Final = Required(at_most=1.4)
_F1: Final = 0.85
_CHANGED: Final = 0.49
"""Share of the answers that differ whose F1 differs: 52 of 106."""
_CHANGES: Final = np.array([0.2, 1 / 3, 0.5, 2 / 3, 0.8])


class Situation(NamedTuple):
    """How many answers differ, and what that costs."""

    differ: float
    """Share of the answers."""
    lost: bool
    """Whether each of them costs a whole point; otherwise they are real changes."""
    asked: int

    def __str__(self) -> str:
        how = "" if not self.differ else ", each a loss of 1" if self.lost else ", real changes"
        return f"{self.asked} of {QUESTIONS:,} questions, {100 * self.differ:g} % of the answers differ{how}"


CELLS: Final = tuple(
    Situation(differ, lost, asked)
    for differ, ways in (
        (0.0, (False,)),
        (0.005, (False, True)),
        (0.01, (False, True)),
        (0.03, (False, True)),
        (0.1, (False, True)),
    )
    for lost in ways
    for asked in (50, 100, 200, 400, 800)
)


_BOTH: Final = ((0.0, 0.0), (0.01, 0.0), (0.01, 0.01), (0.03, 0.03))
"""Shares of the answers that are lost by two rows that were asked the same questions."""


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate every situation.

    Args:
        draws: how often questions are drawn for each situation.
        seed: seed of the random draws.
    """
    for number, situation in enumerate(CELLS):
        rng = np.random.default_rng((seed, number))
        yield share(
            str(situation), "the interval of a transfer covers", covered(rng, draws, situation), _COVERS
        )
        narrow = _NARROW if not situation.differ and situation.asked == 200 else NOTHING
        what = "points, half the width of a transfer's interval"
        if not situation.differ and situation.asked == 200:
            what += ", 200 questions and no change"
        halves = np.array([found[1] for found in _draws(rng, min(draws, 200), situation)])
        yield factor(str(situation), what, 100 * halves, narrow)
    for number, (both, asked) in enumerate(product(_BOTH, (50, 200, 800)), start=len(CELLS)):
        rng = np.random.default_rng((seed, number))
        lost = " and ".join(f"{100 * part:g}" for part in both)
        name = f"{asked} of {QUESTIONS:,} questions, {lost} % of the answers lost"
        hits = [bool(abs(off) <= reach) for off, reach in _pairs(rng, draws, both, asked)]
        yield share(name, "the interval of the difference of two transfers covers", hits, _COVERS)


def covered(rng: np.random.Generator, draws: int, of: Situation) -> list[bool]:
    """Draw questions, and tell of each draw whether the interval of the transfer covers the truth."""
    return [bool(abs(off) <= reach) for off, reach in _draws(rng, draws, of)]


def _draws(rng: np.random.Generator, draws: int, of: Situation) -> Iterator[tuple[float, float]]:
    """Draw questions: how far the correction is off, and half the width of its interval."""
    source = np.where(rng.random(QUESTIONS) < _F1, 1.0, 0.0)
    here = source.copy()
    if of.lost:
        right = np.flatnonzero(source == 1)
        here[rng.choice(right, round(of.differ * QUESTIONS), replace=False)] = 0.0
    else:
        changed = rng.choice(QUESTIONS, round(_CHANGED * of.differ * QUESTIONS), replace=False)
        here[changed] = np.abs(source[changed] - rng.choice(_CHANGES, len(changed)))
    truth = float((here - source).mean())
    for _ in range(draws):
        asked = rng.choice(QUESTIONS, of.asked, replace=False)
        value, reach = correction(here[asked], source, asked)
        yield value - truth, reach


def _pairs(
    rng: np.random.Generator, draws: int, lost: tuple[float, float], asked: int
) -> Iterator[tuple[float, float]]:
    """Draw questions for two rows: how far the correction of their difference is off, and its reach."""
    sources = [np.where(rng.random(QUESTIONS) < _F1, 1.0, 0.0) for _ in lost]
    rows = [
        np.where(rng.random(QUESTIONS) < part, 0.0, source)
        for part, source in zip(lost, sources, strict=True)
    ]
    here, there = rows[0] - rows[1], sources[0] - sources[1]
    truth = float((here - there).mean())
    for _ in range(draws):
        chosen = rng.choice(QUESTIONS, asked, replace=False)
        value, reach = correction(here[chosen], there, chosen, most=1.0)
        yield value - truth, reach
