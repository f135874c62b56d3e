"""What one rate of arrivals shows: whether p99 stays within a bound, does not, or whether that is undecided.

A queue begins empty, so the first questions wait less than those of a queue that has been in use for long.
The first tenth of a trial is dropped, and a rate holds only if this tenth is at least one relaxation time of
its queue. The busier the reader, the longer that is; at its capacity, no trial is long enough.
"""

from collections.abc import Sequence
from math import ceil, inf, isfinite, isinf
from typing import Final, NamedTuple

from agent.stopping.percentile_bounds import needed
from agent.stopping.queue_replay import (
    FEWEST,
    Range,
    occupied_ns,
    relaxation,
    replayed_p99,
    slowdown,
    squared_variation,
)
from agent.worker.protocol import time_ns
from commandline.counted import counted
from contract.records import Answer, RateTrial

TENTH: Final = 10
"""One of this many questions is dropped at the start, and a trial has this many relaxation times."""
MOST_QUESTIONS: Final = 20_000
"""A trial has at most this many questions: the worker holds them all."""


class ServiceTime(NamedTuple):
    """How long the reader is occupied by a question."""

    mean_ns: float
    squared_variation: float = 1.0
    """Variance of the times over the square of their mean; 1 for exponential times."""

    def load(self, qps: float) -> float:
        """The share of the time in which the reader is busy at a rate; above 1 for more than it can do."""
        return qps * self.mean_ns / 1e9

    def questions(self, qps: float) -> float:
        """How many questions decide at least whether a rate holds; infinite from capacity on."""
        steady = needed(99) * TENTH / (TENTH - 1)
        queue = TENTH * relaxation(self.load(qps), self.squared_variation)
        return ceil(max(steady, queue)) if isfinite(queue) else inf


class Tried(NamedTuple):
    """The result of a trial."""

    trial: RateTrial
    service: ServiceTime | None
    """None if too few questions were answered to know it."""


def tried(
    qps: float, answers: Sequence[Answer], given_up_ns: Sequence[int], bound_ns: int, seed: int
) -> Tried:
    """Judge a trial.

    Args:
        qps: its rate.
        answers: in order. Disturbed ones count like the others, since they delayed the questions after them.
        given_up_ns: how long each question that was given up at the end had waited.
        bound_ns: the bound of p99.
        seed: of the random draws.
    """
    dropped = len(answers) // TENTH
    steady = answers[dropped:]
    times = [answer.waited_ns + time_ns(answer) for answer in steady if answer.error is None]
    # A rate without answers does not hold.
    ordered = sorted([*times, *given_up_ns]) or [bound_ns + 1]
    p99_ns = ordered[ceil(0.99 * len(ordered)) - 1]
    occupied = occupied_ns(steady)
    service, likely, slower = None, Range(0, inf), 1.0
    if len(steady) >= FEWEST and occupied.any():
        service = ServiceTime(float(occupied.mean()), squared_variation(occupied))
        likely, slower = replayed_p99(occupied, qps, seed), slowdown(occupied)
    above = not times or likely.low_ns > bound_ns
    unsteady = _unsteady(qps, len(answers), service, slower)
    why = unsteady or _unsure(len(answers), p99_ns, likely, bound_ns)
    return Tried(
        RateTrial(
            qps=qps,
            queries=len(ordered),
            dropped=dropped,
            p50_ns=ordered[ceil(0.5 * len(ordered)) - 1],
            p99_ns=p99_ns,
            bound_ns=None if unsteady or isinf(likely.high_ns) else ceil(likely.high_ns),
            load=None if service is None else service.load(qps),
            held=not above and not why,
            undecided="" if above else why,
        ),
        service,
    )


def _unsteady(qps: float, asked: int, service: ServiceTime | None, slower: float) -> str:
    """Why a trial does not show a queue in its steady state; empty if it does."""
    if service is None:
        return f"it takes more than {counted(asked, 'question')} (--min-queries)"
    wanted, load = service.questions(qps), f"{service.load(qps):.0%}"
    if isinf(wanted):
        return f"questions arrive as fast as they are answered (load {load})"
    if wanted > MOST_QUESTIONS:
        return f"it takes {wanted:,} questions at a load of {load}, more than a rate is tried with"
    if asked < wanted:
        return f"it takes {wanted:,} questions at a load of {load}, and {asked:,} were asked (--min-queries)"
    if slower > 1:
        return f"the machine became {slower - 1:.0%} slower meanwhile, so the queue was not steady"
    return ""


def _unsure(asked: int, p99_ns: int, likely: Range, bound_ns: int) -> str:
    """Why it is not known whether p99 of a steady queue is within the bound; empty if it is."""
    if likely.high_ns > bound_ns:
        low, high = _ms(likely.low_ns), _ms(likely.high_ns)
        more = "" if asked >= MOST_QUESTIONS else "; more questions tell (--min-queries)"
        if isinf(likely.high_ns):
            return f"p99 is at least {low} ms, and the queue may grow for ever{more}"
        return f"p99 is between {low} and {high} ms{more}"
    if p99_ns > bound_ns:
        return f"p99 was {_ms(p99_ns)} ms, but is at most {_ms(likely.high_ns)} ms according to the replays"
    return ""


def _ms(ns: float) -> str:
    return f"{ns / 1e6:,.1f}"
