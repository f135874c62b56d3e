"""Chooses the "best for" labels: which model on one machine type to use for what.

The rule is also in `docs/report.md`. It compares the rows of one machine type and question file that have
an F1 and a time. There must be at least two such rows:

- `high accuracy`: the highest F1;
- `real time`: the lowest median time;
- `low resource`: the least memory among the rows on the Pareto front (no row is both faster and more
  accurate). The memory of all these rows must be known;
- `balance`: among the rows on the front that are neither the most accurate nor the fastest, the one nearest
  to the ideal point. The ideal point has the best F1 and the best time of all rows. Both axes run from the
  worst row to the best, and time is logarithmic.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

HIGH_ACCURACY: Final = "high accuracy"
REAL_TIME: Final = "real time"
LOW_RESOURCE: Final = "low resource"
BALANCE: Final = "balance"
_FEWEST: Final = 2


class Candidate(NamedTuple):
    """A model on one machine type, as `best_for` compares it."""

    f1: float
    time: float
    """Time per question in any unit, above 0."""
    memory: int | None = None
    """Memory in any unit; None if it is not known."""


def best_for(candidates: Sequence[Candidate]) -> list[tuple[str, ...]]:
    """Label what each candidate is best for, in the order given; there are no labels for one candidate."""
    labels: list[list[str]] = [[] for _ in candidates]
    if len(candidates) >= _FEWEST:
        numbers = range(len(candidates))
        best = max(numbers, key=lambda i: (candidates[i].f1, -candidates[i].time))
        fastest = min(numbers, key=lambda i: (candidates[i].time, -candidates[i].f1))
        labels[best].append(HIGH_ACCURACY)
        labels[fastest].append(REAL_TIME)
        front = pareto_front(candidates)
        memory = {i: m for i in front if (m := candidates[i].memory) is not None}
        if len(memory) == len(front):
            labels[min(memory, key=memory.__getitem__)].append(LOW_RESOURCE)
        between = [i for i in front if i not in {best, fastest}]
        if between:
            labels[min(between, key=lambda i: _distance(candidates[i], candidates))].append(BALANCE)
    return [tuple(found) for found in labels]


def pareto_front(candidates: Sequence[Candidate]) -> list[int]:
    """Find the candidates that no other one beats in both F1 and time; their positions, fastest first."""
    front: list[int] = []
    for i in sorted(range(len(candidates)), key=lambda i: (candidates[i].time, -candidates[i].f1)):
        if not front or candidates[i].f1 > candidates[front[-1]].f1:
            front.append(i)
    return front


def _distance(candidate: Candidate, among: Sequence[Candidate]) -> float:
    worst_f1, best_f1 = min(c.f1 for c in among), max(c.f1 for c in among)
    best_time, worst_time = min(c.time for c in among), max(c.time for c in among)
    # This candidate is neither the best nor the fastest, so both ranges are above 0.
    return math.hypot(
        (best_f1 - candidate.f1) / (best_f1 - worst_f1),
        math.log(candidate.time / best_time) / math.log(worst_time / best_time),
    )
