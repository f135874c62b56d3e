"""The search for the highest rate of arrivals at which p99 stays within a bound: MLPerf's scenario Server."""

import random
from collections.abc import Sequence
from itertools import accumulate
from math import ceil
from typing import Final

import msgspec

from agent.stopping.percentile_bounds import needed, percentile_bound
from agent.worker.protocol import time_ns
from contract.codec import encode
from contract.records import Answer, RateTrial, Settings


def arrivals_ns(qps: float, count: int, seed: int) -> tuple[int, ...]:
    """The times of arrivals after the start, ascending, with independent gaps of 1/qps seconds on average.

    Args:
        qps: arrivals per second on average.
        count: number of arrivals.
        seed: decides the gaps. At another rate the same seed gives the same pattern, stretched.
    """
    gaps = random.Random(seed)  # noqa: S311 - a simulation, no secret
    return tuple(int(1e9 * at) for at in accumulate(gaps.expovariate(1.0) / qps for _ in range(count)))


_STEPS: Final = 6
"""Number of rates in a search: it ends within 1/64 of the rate of one question after the other."""

_MAX_QUERIES: Final = 20_000


def queries_for(qps: float, settings: Settings, seconds_left: float | None) -> int:
    """How many questions arrive in a trial: enough to bound p99 if some are late, within the limits."""
    count = max(settings.min_queries or 2 * needed(99), ceil(qps * settings.min_seconds))
    if seconds_left is not None:
        count = min(count, ceil(qps * seconds_left))
    return max(1, min(count, _MAX_QUERIES))


def steps(settings: Settings) -> int:
    """How many rates a complete search tries."""
    return _STEPS if settings.qps is None else 1


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What another process needs to continue the search."""

    service_ns: int
    trials: tuple[RateTrial, ...]
    answers: tuple[Answer, ...]


class RateSearch:
    """Chooses the next rate to try from the results of the rates before.

    Args:
        settings: the latency bound, and the one rate to try if there is one. Otherwise each step halves the
            interval between the highest rate that held and the lowest that did not.
        service_ns: time of a question without queueing; no rate above its inverse can hold for long.
        kept: what `kept` returned in an earlier process whose search this one continues.
    """

    def __init__(self, settings: Settings, service_ns: int, kept: bytes = b"") -> None:
        before = (
            msgspec.json.decode(kept, type=_Kept)
            if kept
            else _Kept(service_ns=service_ns, trials=(), answers=())
        )
        self.trials: list[RateTrial] = []
        self.answers = before.answers
        """Answers at the highest rate that held, or else at the last one; not numbered yet."""
        self.best_qps: float | None = None
        """The highest rate that held; None if none did."""
        self._only = settings.qps
        self._steps = steps(settings)
        self._bound_ns = settings.latency_bound_ns or 0
        self._service_ns = before.service_ns
        self._low = 0.0
        self._high = 1e9 / max(before.service_ns, 1)
        for trial in before.trials:
            self._note(trial)

    def next(self) -> float | None:
        """The next rate to try; None when the search is over."""
        if len(self.trials) == self._steps:
            return None
        return self._only if self._only is not None else (self._low + self._high) / 2

    @property
    def stage(self) -> str:
        """The progress of the search in words."""
        return f"rate {len(self.trials) + 1} of {self._steps}, {self.next():.2f} questions per second"

    def record(self, qps: float, answers: tuple[Answer, ...], given_up_ns: Sequence[int] = ()) -> bool:
        """Record the result of one rate; return whether the rate held.

        Args:
            qps: the rate.
            answers: answers to its questions. Disturbed ones count like the others, since they delayed the
                questions after them.
            given_up_ns: how long each question that was given up had waited.
        """
        times = [answer.waited_ns + time_ns(answer) for answer in answers if answer.error is None]
        ordered = sorted([*times, *given_up_ns]) or [
            self._bound_ns + 1
        ]  # a rate without answers did not hold
        p99_ns = ordered[ceil(0.99 * len(ordered)) - 1]
        bound = percentile_bound(ordered, 99).value_ns
        trial = RateTrial(
            qps=qps,
            queries=len(ordered),
            p50_ns=ordered[ceil(0.5 * len(ordered)) - 1],
            p99_ns=p99_ns,
            bound_ns=bound,
            held=(p99_ns if bound is None else bound) <= self._bound_ns,
        )
        self._note(trial)
        if trial.held or self.best_qps is None:
            self.answers = answers
        return trial.held

    def kept(self) -> bytes:
        """What another process needs to continue the search."""
        return encode(_Kept(service_ns=self._service_ns, trials=tuple(self.trials), answers=self.answers))

    def _note(self, trial: RateTrial) -> None:
        self.trials.append(trial)
        if trial.held:
            self._low = trial.qps
            self.best_qps = max(trial.qps, self.best_qps or 0.0)
        else:
            self._high = trial.qps
