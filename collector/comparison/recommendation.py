"""*Best for*: which of the models on one hardware to take, by a rule that is written down.

The rule, told again in `docs/report.md`, looks at the rows of one hardware class and question file that have
an F1 and a time, and says nothing unless there are two:

- `high accuracy`: the highest F1;
- `real time`: the lowest median time;
- `low resource`: of the rows on the Pareto front (no row is both faster and better) the least memory, if it
  is known of all of them;
- `balance`: of the rows on the front that are neither the best nor the fastest, the one nearest to the ideal
  point, which has the best F1 and the best time of all. Both axes run from the worst to the best row; time
  is taken by its logarithm.
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
    """A model on the hardware in question."""

    f1: float
    time: float
    """Any unit, above 0."""
    memory: int | None = None
    """Any unit; None where it is not known."""


def best_for(candidates: Sequence[Candidate]) -> list[tuple[str, ...]]:
    """What each candidate is best for, in the order given; nothing for any when there are too few."""
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
    """The positions of the candidates that no other one beats in both respects, fastest first."""
    front: list[int] = []
    for i in sorted(range(len(candidates)), key=lambda i: (candidates[i].time, -candidates[i].f1)):
        if not front or candidates[i].f1 > candidates[front[-1]].f1:
            front.append(i)
    return front


def _distance(candidate: Candidate, among: Sequence[Candidate]) -> float:
    worst_f1, best_f1 = min(c.f1 for c in among), max(c.f1 for c in among)
    best_time, worst_time = min(c.time for c in among), max(c.time for c in among)
    # A candidate between best and fastest exists, so neither span is 0.
    return math.hypot(
        (best_f1 - candidate.f1) / (best_f1 - worst_f1),
        math.log(candidate.time / best_time) / math.log(worst_time / best_time),
    )
