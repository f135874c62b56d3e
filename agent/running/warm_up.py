"""Prepares a fresh worker for a round: it loads, answers a question cold and warms up, unrecorded."""

from collections.abc import Callable
from typing import Final, NamedTuple

from agent.planning.plan import Plan
from agent.worker.process import WorkerProcess
from agent.worker.protocol import time_ns

CHUNK_SECONDS: Final = 0.5
"""The worker is asked for this long at a time, so that the terminal can show what happens."""

LOADING: Final = "loading"
"""What happens first."""


class Prepared(NamedTuple):
    """What was measured on the way."""

    load_ns: int
    first_ns: int | None
    """Time of the first question, cold; None if it could not be answered."""
    warm_ns: int
    """Mean time of the warm-up's questions; without a warm-up, the time of the first question."""
    peak_rss_bytes: int | None


def prepare(worker: WorkerProcess, plan: Plan, warmup: int, progress: Callable[[str], None]) -> Prepared:
    """Load a worker and warm it up.

    Args:
        worker: has just started.
        plan: what it measures.
        warmup: number of questions to answer after the first one.
        progress: called with what happens next, before it happens.

    Raises:
        BundleRefused: the bundle does not match its manifest, or cannot be loaded.
        WorkerDied: the process ended.
        Stopped: a signal came.
    """
    progress(LOADING)
    load_ns = worker.load(plan.bundle, plan.settings).load_ns
    progress("the first question")
    first = worker.ask(plan.questions[:1], CHUNK_SECONDS)
    (outcome,) = first.outcomes
    warm, total_ns = 0, 0
    while warm < warmup:
        progress(f"warming up, {warm} of {warmup}")
        # Warm-up cycles through the run's questions, so that it sees the lengths that will be timed.
        at = warm % len(plan.questions)
        outcomes = worker.ask(plan.questions[at : at + warmup - warm], CHUNK_SECONDS).outcomes
        warm += len(outcomes)
        total_ns += sum(map(time_ns, outcomes))
    cold_ns = time_ns(outcome) if outcome.error is None else None
    warm_ns = total_ns // warm if warm else time_ns(outcome)
    return Prepared(load_ns, cold_ns, warm_ns, first.peak_rss_bytes)
