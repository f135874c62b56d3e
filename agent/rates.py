"""The search for the highest rate of arrivals at which p99 stays within a bound: MLPerf's scenario Server."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from agent.bounds import needed, percentile_bound
from contract.records import RateTrial, Settings

_STEPS: Final = 6
"""Rates tried in a search: it ends within a 64th of what one question after the other gives."""
_MAX_QUERIES: Final = 20_000


def queries_for(qps: float, settings: Settings) -> int:
    """How many questions arrive in a trial: enough to know p99 although some are late, within the limits."""
    count = max(settings.min_queries or 2 * needed(99), ceil(qps * settings.min_seconds))
    if settings.max_seconds is not None:
        count = min(count, ceil(qps * settings.max_seconds))
    return max(1, min(count, _MAX_QUERIES))


class RateSearch:
    """Says which rate to try next, told what came of those before.

    Args:
        qps: the only one to try; None to halve the way between what held and what did not.
        bound_ns: what p99 may be.
        service_ns: what a question takes without queueing: no higher rate can hold for long.
    """

    def __init__(self, qps: float | None, bound_ns: int, service_ns: int) -> None:
        self.trials: list[RateTrial] = []
        self.best_qps: float | None = None
        """The highest that held."""
        self._only = qps
        self._bound_ns = bound_ns
        self._low = 0.0
        self._high = 1e9 / max(service_ns, 1)

    def next(self) -> float | None:
        """The rate to try; None when the search is over."""
        if self._only is not None:
            return None if self.trials else self._only
        return None if len(self.trials) == _STEPS else (self._low + self._high) / 2

    def took(self, qps: float, times_ns: Sequence[int]) -> bool:
        """Note the times of one rate, queueing included; tells whether it held."""
        ordered = sorted(times_ns) or [self._bound_ns + 1]  # where nothing was answered, nothing held
        p99_ns = ordered[ceil(0.99 * len(ordered)) - 1]
        bound = percentile_bound(ordered, 99).value_ns
        held = (p99_ns if bound is None else bound) <= self._bound_ns
        self.trials.append(
            RateTrial(
                qps=qps,
                queries=len(ordered),
                p50_ns=ordered[ceil(0.5 * len(ordered)) - 1],
                p99_ns=p99_ns,
                bound_ns=bound,
                held=held,
            )
        )
        if held:
            self._low = qps
            self.best_qps = max(qps, self.best_qps or 0.0)
        else:
            self._high = qps
        return held
