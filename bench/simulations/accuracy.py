"""Accuracy: intervals, tests and gates of Exact Match, F1 and BERTScore."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from bench.simulations.cell import NOTHING, Cell, Required, share
from bench.simulations.readers import (
    Scores,
    Sizes,
    ability_of,
    precisions,
    similarities,
    sit,
    some,
    true_exact_match,
    true_similarity,
    whole,
)
from collector.findings.verdict import FAILS, PASSES
from collector.statistics.accuracy.scores import difference, kept, mean_score
from collector.statistics.confidence import SIGNIFICANCE
from collector.statistics.decision import decide

_COVERS: Final = Required(at_least=0.93)
_WIDTH: Final = Required(at_most=1.6)
_FALSE_ALARMS: Final = Required(at_most=0.057)
_Z: Final = 1.959964
_F1: Final = 0.85
_FOUND: Final = 0.08
"""A difference of F1 that has to be found."""


class _Situation(NamedTuple):
    name: str
    sizes: Sizes
    covers: Required = _COVERS
    width: Required = _WIDTH


_DEMO: Final = _Situation("17 articles of 20 questions", some(340, 17))
_DRAWN: Final = _Situation("334 questions of 48 articles", some(334, 48))
_SITUATIONS: Final = (
    _Situation("12 whole articles", whole(12), Required(at_least=0.88)),
    _Situation("24 whole articles", whole(24)),
    _Situation("48 whole articles", whole(48)),
    _DEMO,
    _DRAWN,
    _Situation("40 questions", some(40, 40)),
    _Situation("10 questions", some(10, 10)),
)


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate every situation.

    Args:
        draws: how many runs or pairs of runs are drawn for each situation.
        seed: seed of the random draws.
    """
    rng = np.random.default_rng(seed)
    for situation in _SITUATIONS:
        yield from _means(rng, draws, situation)
    for f1 in (0.95, 0.98, 1.0):
        for questions in (10, 40, 334):
            name = f"{questions} questions, true F1 {100 * f1:.0f} %"
            yield from _means_near_one(rng, draws, name, questions, f1)
    for situation in _SITUATIONS:
        yield from _differences(rng, draws, situation)
    for situation in (_DRAWN, _DEMO):
        yield _power(rng, draws, situation)
    for questions in (40, 334, 1000):
        for changes in (0.0, 0.005, 0.03, 0.1):
            yield from _few_changes(rng, draws, questions, changes)
    for questions in (40, 334, 2000):
        for true in (0.985, 0.995, 1.0):
            yield from _gates(rng, draws, questions, true)


class _Estimates:
    """Estimates of one number, and how their intervals did."""

    def __init__(self, truth: float) -> None:
        self._truth = truth
        self._values: list[float] = []
        self._widths: list[float] = []
        self._hits: list[bool] = []

    def add(self, value: float, low: float, high: float) -> None:
        """Take one more estimate."""
        self._values.append(value)
        self._widths.append(high - low)
        self._hits.append(low - 1e-12 <= self._truth <= high + 1e-12)

    def cells(self, name: str, what: str, width: Required | None, covers: Required) -> Iterator[Cell]:
        """Make the cells of the coverage and, unless it is None, of the width: 0 if nothing varies."""
        yield share(name, f"95 % interval of {what} covers", self._hits, covers)
        if width is not None:
            known = 2 * _Z * float(np.std(self._values))
            factor = float(np.median(self._widths)) / known if known else 0.0
            claims = f"median width of the interval of {what}, over that with the true spread known"
            yield Cell(name, claims, len(self._values), factor, 0.0, width)


def _means(rng: np.random.Generator, draws: int, of: _Situation) -> Iterator[Cell]:
    ability = ability_of(_F1)
    scored: dict[str, tuple[float, Callable[[Scores], Scores]]] = {
        "F1": (_F1, lambda scores: scores),
        "EM": (true_exact_match(ability), lambda scores: (scores == 1) * 1.0),
        "BERTScore": (true_similarity(ability), lambda scores: similarities(rng, scores)),
    }
    estimates = {name: _Estimates(truth) for name, (truth, _) in scored.items()}
    for _ in range(draws):
        clusters, (scores,) = sit(rng, of.sizes, [ability])
        for name, (_, turned) in scored.items():
            estimates[name].add(*mean_score(turned(scores), clusters))
    for name, found in estimates.items():
        yield from found.cells(of.name, name, of.width, of.covers)


def _means_near_one(
    rng: np.random.Generator, draws: int, name: str, questions: int, f1: float
) -> Iterator[Cell]:
    found = _Estimates(f1)
    for _ in range(draws):
        sitting = sit(rng, some(questions, questions), [0.0])
        scores = (rng.random(questions) < f1) * 1.0
        found.add(*mean_score(scores, sitting.clusters))
    yield from found.cells(name, "F1", NOTHING if f1 < 1 else None, _COVERS)


def _differences(rng: np.random.Generator, draws: int, of: _Situation) -> Iterator[Cell]:
    """Two readers that are equally good on all that could be asked, and differ in what suits them."""
    found, alarms = _Estimates(0.0), []
    for _ in range(draws):
        clusters, (left, right) = sit(rng, of.sizes, [ability_of(_F1)] * 2)
        compared = difference(left, right, clusters)
        found.add(compared.value, compared.low, compared.high)
        alarms.append(compared.p_value < SIGNIFICANCE)
    name = f"{of.name}, two equal readers"
    yield from found.cells(name, "the difference of F1", of.width, of.covers)
    yield share(name, "F1 is called different", alarms, _FALSE_ALARMS)


def _power(rng: np.random.Generator, draws: int, of: _Situation) -> Cell:
    abilities = [ability_of(_F1), ability_of(_F1 - _FOUND)]
    found = []
    for _ in range(draws):
        clusters, (left, right) = sit(rng, of.sizes, abilities)
        compared = difference(left, right, clusters)
        found.append(compared.p_value < SIGNIFICANCE and compared.value > 0)
    name = f"{of.name}, F1 {100 * _F1:.0f} and {100 * (_F1 - _FOUND):.0f} %"
    return share(name, "the difference is found", found, Required(at_least=0.8))


def _few_changes(rng: np.random.Generator, draws: int, questions: int, changes: float) -> Iterator[Cell]:
    """Two precisions: once as many answers become better as worse, once all changed answers are lost."""
    sizes = some(questions, min(48, questions // 2))
    for lost in (False, True):
        truth = -changes * _F1 if lost else 0.0
        found, alarms = _Estimates(truth), []
        for _ in range(draws):
            sitting = precisions(
                rng, sizes, ability_of(_F1), flickers=0.0 if lost else changes, lost=changes if lost else 0.0
            )
            compared = difference(sitting.scores[1], sitting.scores[0], sitting.clusters)
            found.add(compared.value, compared.low, compared.high)
            alarms.append(compared.p_value < SIGNIFICANCE)
        changed = "lost" if lost else "given again"
        name = f"{questions} questions, {100 * changes:g} % of the answers {changed}"
        yield from found.cells(name, "the difference of F1", NOTHING if changes else None, _COVERS)
        if not lost:
            yield share(name, "F1 is called different", alarms, _FALSE_ALARMS)


def _gates(rng: np.random.Generator, draws: int, questions: int, true: float) -> Iterator[Cell]:
    sizes = some(questions, min(48, questions // 2))
    found, wrong = _Estimates(true), []
    for _ in range(draws):
        sitting = precisions(rng, sizes, ability_of(_F1), flickers=0.05, lost=1 - true)
        estimate = kept(sitting.scores[1], sitting.scores[0], sitting.clusters)
        found.add(*estimate)
        verdict = decide(lambda part: part >= 0.99, estimate, 0.99, questions)
        wrong.append(verdict.outcome == (PASSES if true < 0.99 else FAILS))
    name = f"{questions} questions, {100 * true:g} % of fp32's F1"
    yield from found.cells(name, "the part of fp32's F1", NOTHING, _COVERS)
    claims = f"the 99 % gate {PASSES if true < 0.99 else FAILS}"
    yield share(name, claims, wrong, Required(at_most=0.05))
