"""Tables of ratios: of rows over their baseline and of all pairs of rows, adjusted for the number of tests.

The rows take turns and their spreads differ, as on a machine that other programs use at times.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.simulations.cell import NOTHING, Cell, Required, share
from bench.simulations.machine import Machine, command
from bench.simulations.time_ratios import compared, differs
from collector.statistics.confidence import SIGNIFICANCE
from collector.statistics.multiple import holm
from collector.statistics.timing.ratios import ratio_in_rounds
from collector.statistics.timing.rounds import RoundMean, mean_of_rounds
from collector.statistics.timing.spread import moderated

_ALARM: Final = "any row of a table of equal rows is called different"
_ALARM_OF_PAIRS: Final = "any two of equal rows are called different"
_AT_MOST: Final = Required(at_most=SIGNIFICANCE)
_FOUND: Final = Required(at_least=0.9)
_WITHIN: Final = 0.004
"""What the questions of a round add to its spread."""
_PHASE: Final = math.log(1.6)
"""How much slower a phase of a busy machine makes a round of one row."""


class _Rows(NamedTuple):
    """How the times of rows vary from round to round. Deviations are of logarithms: 0.01 is about 1 %."""

    name: str
    least: float = 0.01
    """Standard deviation of the steadiest rows."""
    most: float = 0.01
    """Standard deviation of the rows that vary most."""
    share: float = 0.0
    """The share of rows that vary most; the others are the steadiest. At 0, one row; at 1, from the least to
    the most by equal factors."""
    baseline: bool = False
    """Whether the first row is one of those that vary most, rather than the last ones."""
    phases: float = 0.0
    """In which share of rounds those that vary most meet a phase instead."""

    def drawn(self, rng: np.random.Generator, rows: int, rounds: int) -> NDArray[np.float64]:
        """Draw the logarithm of each row's time in each round."""
        many = max(round(self.share * rows), 1)
        vary = np.arange(rows) < many if self.baseline else np.arange(rows) >= rows - many
        spreads = np.where(vary, self.most, self.least)
        if self.share == 1:
            spreads = self.least * (self.most / self.least) ** rng.permutation(np.linspace(0, 1, rows))
        logs = rng.normal(0, 1, (rows, rounds)) * spreads[:, None] + rng.normal(0, _WITHIN, (rows, rounds))
        met = vary[:, None] & (rng.random((rows, rounds)) < self.phases)
        return np.asarray(logs + _PHASE * met)


_AS_IN_A_DEMO: Final = _Rows("spreads from 2 to 30 %", 0.02, 0.3, 1)
_UNEQUAL: Final = (
    _Rows("spread 1 %"),
    _Rows("spread 1 %, one with 10 %", most=0.1),
    _Rows("spread 1 %, a third with 3 %", most=0.03, share=1 / 3),
    _Rows("spread 1 %, a third with 10 %", most=0.1, share=1 / 3),
    _Rows("spreads from 1 to 10 %", most=0.1, share=1),
    _AS_IN_A_DEMO,
    _Rows("spread 1 %, the first one 10 %", most=0.1, baseline=True),
    _Rows("spread 2 %, a third 1.6 times as slow in 10 % of rounds", 0.02, 0.02, 1 / 3, phases=0.1),
)
"""The first row of these is the baseline."""


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate tables of many rows, of few rounds, and of rows whose spreads differ."""
    rng = np.random.default_rng(seed)
    yield from _of_questions(rng, max(draws // 4, 1))
    for rounds in (3, 5):
        for rows in (6, 12):
            for situation in _UNEQUAL:
                name = f"{rows} rows, {rounds} rounds, {situation.name}"
                drawn = [situation.drawn(rng, rows, rounds) for _ in range(draws)]
                yield share(name, _ALARM, (any(_over_first(logs)) for logs in drawn), _AT_MOST)
                of_pairs = drawn if rows == 6 else drawn[: max(draws // 4, 1)]
                yield share(name, _ALARM_OF_PAIRS, (any(_pairs(logs)) for logs in of_pairs), _AT_MOST)
    yield from _power(np.random.default_rng(seed), draws)


def _of_questions(rng: np.random.Generator, tables: int) -> Iterator[Cell]:
    """Simulate the answers of tables of five rounds, and a row that is 5 % faster."""
    situations = {
        "6 rows, spread 1 %": (0.01,) * 7,
        "20 rows, spread 1 %": (0.01,) * 21,
        "20 rows, half of them with spread 2 % and half 1 %": (0.01,) * 11 + (0.02,) * 10,
        "20 rows, half of them with spread 5 % and half 0.5 %": (0.005,) * 11 + (0.05,) * 10,
        "20 rows, spread 1 %, one with 5 %": (0.01,) * 20 + (0.05,),
        "20 rows, spread 1 %, the baseline 5 %": (0.05,) + (0.01,) * 20,
    }
    for name, spreads in situations.items():
        equal = [0.0] * len(spreads)
        alarms = [any(_table(rng, equal, spreads)) for _ in range(tables)]
        yield share(f"a table of {name}", _ALARM, alarms, _AT_MOST)
    faster = [0.0, -math.log1p(0.05), *([0.0] * 19)]
    hits = [_table(rng, faster, (0.01,) * 21)[0] for _ in range(tables)]
    yield share("a table of 20 rows, spread 1 %", "a row that is 5 % faster is found", hits, _FOUND)


def _power(rng: np.random.Generator, draws: int) -> Iterator[Cell]:
    """Simulate tables in which one row is faster than all others, which are equally fast."""
    for factor, required in ((5.0, _FOUND), (1.5, NOTHING)):
        for rows in (6, 12):
            name = f"{rows} rows, 3 rounds, {_AS_IN_A_DEMO.name}"
            drawn = [_AS_IN_A_DEMO.drawn(rng, rows, 3) for _ in range(draws)]
            for logs in drawn:
                logs[1] -= math.log(factor)
            over_first = [_over_first(logs)[0] for logs in drawn]
            yield share(name, f"a row that is {factor:g} times as fast is found", over_first, required)
            of_pairs = [_pairs(logs)[0] for logs in drawn]
            claims = (
                f"among all pairs, a row that is {factor:g} times as fast is called different from another"
            )
            yield share(name, claims, of_pairs, required if rows == 6 else NOTHING)


def _over_first(logs: NDArray[np.float64]) -> list[bool]:
    """Say which rows are called different from the first, the baseline."""
    return _called_different([_mean(logs[0] - row) for row in logs[1:]])


def _pairs(logs: NDArray[np.float64]) -> list[bool]:
    """Say which pairs of rows are called different; the first pair is the first two rows."""
    return _called_different([_mean(left - right) for left, right in combinations(logs, 2)])


def _mean(gains: NDArray[np.float64]) -> RoundMean:
    return mean_of_rounds(gains, np.ones(len(gains)), within=0.0)


def _table(rng: np.random.Generator, bundles: Sequence[float], spreads: Sequence[float]) -> list[bool]:
    """Say which rows of a table are called different from its first, the baseline."""
    baseline, *rows = command(rng, Machine(), bundles=bundles, spreads=spreads)
    return _called_different([compared(baseline, row) for row in rows])


def _called_different(means: Sequence[RoundMean]) -> list[bool]:
    spreads = moderated([mean.spread for mean in means])
    found = [ratio_in_rounds([mean], moderated=[spread]) for mean, spread in zip(means, spreads, strict=True)]
    adjusted = holm([one.p_value or 0.0 for one in found])
    return [differs(one._replace(p_value=p)) for one, p in zip(found, adjusted, strict=True)]
