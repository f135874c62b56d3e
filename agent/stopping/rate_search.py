"""The search for the highest rate of arrivals at which p99 stays within a bound: MLPerf's scenario Server."""

import random
from collections.abc import Sequence
from itertools import accumulate
from math import ceil
from typing import Final

import msgspec

from agent.stopping.percentile_bounds import needed
from agent.stopping.rate_trial import MOST_QUESTIONS, ServiceTime, tried
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

_SPARE: Final = 1.5
"""A trial asks this many times the questions that it takes by what is known before it."""


def steps(settings: Settings) -> int:
    """How many rates a complete search tries."""
    return _STEPS if settings.qps is None else 1


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What another process needs to continue the search."""

    service_ns: float
    squared_variation: float = 1.0
    trials: tuple[RateTrial, ...]
    answers: tuple[Answer, ...]


def readable(kept: bytes) -> bool:
    """Whether a search can continue from this state: nothing is kept yet, or it is not damaged."""
    try:
        return not kept or bool(msgspec.json.decode(kept, type=_Kept))
    except (ValueError, RecursionError):  # no JSON of this shape, or no UTF-8
        return False


class RateSearch:
    """Chooses the next rate to try from the results of the rates before.

    Args:
        settings: the latency bound, and the one rate to try if there is one. Otherwise each step halves the
            interval between the highest rate that held and the lowest that did not. Until one did not, the
            upper end is the inverse of the time that a question occupies the reader, which every trial
            measures again: a ceiling that was too low rises while rates hold.
        service_ns: mean time of a question without queueing, from the warm-up.
        kept: what `kept` returned in an earlier process whose search this one continues.
    """

    def __init__(self, settings: Settings, service_ns: int, kept: bytes = b"") -> None:
        before = (
            msgspec.json.decode(kept, type=_Kept)
            if kept
            else _Kept(service_ns=max(service_ns, 1), trials=(), answers=())
        )
        self.trials: list[RateTrial] = []
        self.answers = before.answers
        """Answers at the highest rate that held, or else at the last one; not numbered yet."""
        self.best_qps: float | None = None
        """The highest rate that held; None if none did."""
        self.settings = settings
        self._steps = steps(settings)
        self._service = ServiceTime(before.service_ns, before.squared_variation)
        self._lowest_failed: float | None = None
        for trial in before.trials:
            self._note(trial)

    def next(self) -> float | None:
        """The next rate to try; None when the search is over."""
        if len(self.trials) == self._steps:
            return None
        if self.settings.qps is not None:
            return self.settings.qps
        low, capacity = self.best_qps or 0.0, 1e9 / self._service.mean_ns
        ends = [end for end in (self._lowest_failed, capacity) if end is not None and end > low]
        return (low + min(ends)) / 2 if ends else 2 * low

    def queries(self, qps: float, seconds_left: float | None) -> int:
        """How many questions arrive in a trial: enough to decide whether the rate holds, within the limits.

        Where that would be too many, the rate can still turn out not to hold, which takes fewer questions.
        """
        settings = self.settings
        count = max(settings.min_queries or 2 * needed(99), ceil(qps * settings.min_seconds))
        wanted = self._service.questions(qps)
        if settings.min_queries == 0 and wanted <= MOST_QUESTIONS:
            count = max(count, ceil(_SPARE * wanted))
        if seconds_left is not None:
            count = min(count, ceil(qps * seconds_left))
        return max(1, min(count, MOST_QUESTIONS))

    @property
    def stage(self) -> str:
        """The progress of the search in words."""
        return f"rate {len(self.trials) + 1} of {self._steps}, {self.next():.2f} questions per second"

    def record(self, qps: float, answers: tuple[Answer, ...], given_up_ns: Sequence[int] = ()) -> bool:
        """Record the result of one rate; return whether the rate held.

        Args:
            qps: the rate.
            answers: answers to its questions, in order.
            given_up_ns: how long each question that was given up had waited.
        """
        settings = self.settings
        trial, service = tried(qps, answers, given_up_ns, settings.latency_bound_ns or 0, settings.seed)
        self._note(trial)
        if service is not None:
            self._service = service
        if trial.held or self.best_qps is None:
            self.answers = answers
        return trial.held

    def kept(self) -> bytes:
        """What another process needs to continue the search."""
        mean_ns, variation = self._service
        return encode(
            _Kept(
                service_ns=mean_ns,
                squared_variation=variation,
                trials=tuple(self.trials),
                answers=self.answers,
            )
        )

    def _note(self, trial: RateTrial) -> None:
        self.trials.append(trial)
        if trial.held:
            self.best_qps = max(trial.qps, self.best_qps or 0.0)
        else:
            self._lowest_failed = min(trial.qps, self._lowest_failed or trial.qps)
