"""Chooses the "best for" labels: which models on one machine type to use for what.

The rule is also in `docs/report.md`. It compares the rows of one machine type and question file that have
an F1 and a time. There must be at least two such rows, and every two must share enough questions. A label
goes to all rows that the data cannot tell from the best:

- `high accuracy`: no row is shown to have a higher F1;
- `real time`: no row is shown to be faster;
- `low resource`: the least memory among the rows on the Pareto front, and all within `MEMORY_NOISE` of it. A
  row is on the front unless another one is shown to be both faster and more accurate. The memory of all these
  rows must be known;
- `balance`: among the rows on the front with neither of the first two labels, the one nearest to the ideal
  point, and all that may be as near. The ideal point has the best F1 and the best time. The axes run from it
  to the F1 of the fastest row and to the time of the most accurate one, so a row that is bad at both moves
  nothing. Time is logarithmic.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from collector.statistics.accuracy.ranking import Pairwise, Ranking, ranking

HIGH_ACCURACY: Final = "high accuracy"
REAL_TIME: Final = "real time"
LOW_RESOURCE: Final = "low resource"
BALANCE: Final = "balance"
MEMORY_NOISE: Final = 1.05
"""Peak memory differs by some percent between runs of the same, and nobody chooses a model by less."""
_FEWEST: Final = 2


class Candidate(NamedTuple):
    """A model on one machine type, as `recommend` compares it."""

    f1: float
    time: float
    """Time per question in any unit, above 0."""
    memory: int | None = None
    """Memory in any unit; None if it is not known."""


class Recommendation(NamedTuple):
    """The labels of some candidates, each with the positions of those that share it."""

    labels: dict[str, tuple[int, ...]]
    front: tuple[int, ...]
    """Positions on the Pareto front."""


NOTHING: Final = Recommendation({}, ())


def recommend(candidates: Sequence[Candidate], accuracy: Pairwise, speed: Pairwise) -> Recommendation:
    """Label what candidates are best for.

    Args:
        candidates: the rows of one place.
        accuracy: compares the F1 of two of them, in the unit of `Candidate.f1`.
        speed: compares their speed: by how much the logarithm of the second one's time is above that of the
            first one's.
    """
    count = len(candidates)
    if count < _FEWEST:
        return NOTHING
    by_accuracy, by_speed = ranking(count, accuracy), ranking(count, speed)
    labels: dict[str, tuple[int, ...]] = {}
    if by_accuracy is not None:
        labels[HIGH_ACCURACY] = by_accuracy.best(count)
    if by_speed is not None:
        labels[REAL_TIME] = by_speed.best(count)
    if by_accuracy is None or by_speed is None:
        return Recommendation(_given(labels), ())
    dominated = {worse for _, worse in by_accuracy.beats & by_speed.beats}
    front = tuple(i for i in range(count) if i not in dominated)
    labels[LOW_RESOURCE] = _least_memory(candidates, front)
    between = [i for i in front if i not in {*labels[HIGH_ACCURACY], *labels[REAL_TIME]}]
    labels[BALANCE] = _nearest(candidates, between, by_accuracy, by_speed)
    return Recommendation(_given(labels), front)


def _given(labels: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {label: rows for label, rows in labels.items() if rows}


def _least_memory(candidates: Sequence[Candidate], front: Sequence[int]) -> tuple[int, ...]:
    memory = {i: m for i in front if (m := candidates[i].memory) is not None}
    if len(memory) < len(front):
        return ()
    least = min(memory.values())
    return tuple(i for i, m in memory.items() if m <= MEMORY_NOISE * least)


def _nearest(
    candidates: Sequence[Candidate], between: Sequence[int], by_accuracy: Ranking, by_speed: Ranking
) -> tuple[int, ...]:
    """Find the nearest to the ideal point, and those that are as near at the better ends of intervals."""
    if not between:
        return ()
    best = max(candidates, key=lambda c: (c.f1, -c.time))
    fastest = min(candidates, key=lambda c: (c.time, -c.f1))
    f1_range, time_range = best.f1 - fastest.f1, math.log(best.time / fastest.time)

    def distance(f1: float, log_time: float) -> float:
        missed = max(best.f1 - f1, 0.0) / f1_range if f1_range else 0.0
        slower = max(log_time - math.log(fastest.time), 0.0) / time_range if time_range else 0.0
        return math.hypot(missed, slower)

    points = {i: (candidates[i].f1, math.log(candidates[i].time)) for i in between}
    nearest = min(between, key=lambda i: distance(*points[i]))
    f1, log_time = points[nearest]

    def may_be_as_near(i: int) -> bool:
        at_best = (
            f1 + by_accuracy.differences[i, nearest].high,
            log_time - by_speed.differences[i, nearest].high,
        )
        return distance(*at_best) <= distance(f1, log_time)

    return tuple(i for i in between if i == nearest or may_be_as_near(i))
