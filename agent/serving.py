"""The scenario `server`: rates of arrival are tried, and the answers of the best one are the run's."""

from collections.abc import Callable
from typing import NamedTuple

from agent.arrivals import arrivals_ns
from agent.process import WorkerProcess
from agent.protocol import Answered, time_ns
from agent.rates import RateSearch, queries_for
from agent.selection import Passes
from contract.records import RateTrial, Settings


class Served(NamedTuple):
    """What came of all rates."""

    trials: tuple[RateTrial, ...]
    valid_qps: float | None
    """The highest that held."""
    answered: Answered
    """Of that one, or else of the last."""
    busy: bool
    """Whether the parent was, meanwhile."""


def serve(
    settings: Settings,
    service_ns: int,
    passes: Passes,
    worker: WorkerProcess,
    between: Callable[[], None],
    meanwhile: Callable[[], None],
) -> Served:
    """Try rates until the search is over.

    Args:
        settings: the one rate to try, if there is one, and the bound.
        service_ns: what a question takes without queueing.
        passes: the questions.
        worker: loaded and warm.
        between: called after each rate.
        meanwhile: called again and again within a rate, which may last minutes.
    """
    search = RateSearch(settings.qps, settings.latency_bound_ns or 0, service_ns)
    kept: Answered | None = None
    busy = False
    while (qps := search.next()) is not None:
        count = queries_for(qps, settings)
        answered = worker.ask(
            [passes.at(place, 1)[0] for place in range(count)],
            settings.max_seconds or 0.0,
            meanwhile,
            arrivals_ns=arrivals_ns(qps, count, settings.seed),
        )
        held = search.took(qps, [outcome.waited_ns + time_ns(outcome) for outcome in answered.outcomes])
        if held or not search.best_qps:
            kept, busy = answered, worker.was_busy
        between()
    assert kept is not None, "at least one rate is tried"
    return Served(tuple(search.trials), search.best_qps, kept, busy)
