"""Whether a run may end, and whether it has what it was begun for when it has ended."""

from typing import Final

from agent.stopping.percentile_bounds import CONFIDENCE, needed
from agent.stopping.rate_search import steps
from agent.stopping.tally import Tally
from commandline.outcome_text import no_rate_line
from contract import scenarios
from contract.records import Outcome, RunStatus, Settings

PATIENCE: Final = 10
"""So many times the times that suffice: by then a machine is always slowed down, or no question answered."""


def may_end(settings: Settings, selected: int, asked: int, seconds: float, tally: Tally) -> bool:
    """Whether no further chunk is to be asked.

    Args:
        settings: say how much is wanted.
        selected: questions of one pass.
        asked: questions so far, of all passes and processes.
        seconds: since the run began.
        tally: of this process.
    """
    if settings.max_seconds is not None and seconds >= settings.max_seconds and asked:
        return True
    return (
        asked >= max(selected, settings.min_queries)
        and seconds >= settings.min_seconds
        and (settings.percentile is None or _known_or_hopeless(settings.percentile, tally))
    )


def _known_or_hopeless(percent: int, tally: Tally) -> bool:
    return len(tally.undisturbed_ns) >= needed(percent) or tally.asked >= PATIENCE * needed(percent)


def verdict(settings: Settings, selected: int, asked: int, tally: Tally) -> tuple[RunStatus, str]:
    """The status of a run that came to its end, and why it is not complete."""
    outcome = tally.outcome()
    if settings.scenario == scenarios.SERVER:
        return _of_server(settings, outcome)
    wanted = max(selected, settings.min_queries)
    if settings.scenario != scenarios.SUSTAINED and asked < wanted:
        return "inconclusive", f"it ended after {asked} of {wanted} questions, as --max-seconds says"
    percent = settings.percentile
    if percent is not None and len(tally.undisturbed_ns) < needed(percent):
        since = " since the interruption" if outcome.left_out else ""
        return "inconclusive", (
            f"p{percent} is known with {CONFIDENCE:.0%} confidence from {needed(percent)} undisturbed "
            f"times on, and there are {len(tally.undisturbed_ns)}{since}"
        )
    return "complete", ""


def _of_server(settings: Settings, outcome: Outcome) -> tuple[RunStatus, str]:
    if len(outcome.rates) < steps(settings):
        return "inconclusive", (
            f"it ended after {len(outcome.rates)} of {steps(settings)} rates, as --max-seconds says"
        )
    best = next((t for t in outcome.rates if t.held and t.qps == outcome.valid_qps), None)
    if best is None:
        return "inconclusive", no_rate_line(settings)
    if best.bound_ns is None:
        return "inconclusive", (
            f"{best.queries} questions were answered at the best rate, and p99 is known with "
            f"{CONFIDENCE:.0%} confidence from {needed(99)} on"
        )
    return "complete", ""
