"""Decides whether a run may end, and whether it has reached its goal when it has ended."""

from typing import Final

from agent.stopping.percentile_bounds import CONFIDENCE, needed
from agent.stopping.rate_search import steps
from agent.stopping.tally import Tally
from commandline.counted import counted
from commandline.outcome_text import no_rate_line, undecided_line
from contract import scenarios
from contract.records import Outcome, RunStatus, Settings

PATIENCE: Final = 10
"""A run gives up after this many times the questions that would be enough without disturbance: the machine
is then always throttled, or no question is answered."""


def may_end(settings: Settings, selected: int, asked: int, seconds: float, tally: Tally) -> bool:
    """Whether a run may end now, before another chunk.

    Args:
        settings: decide how many questions and how much time are wanted.
        selected: number of questions in one pass.
        asked: number of questions so far, over all passes and processes.
        seconds: time since the run began.
        tally: the tally of this process.
    """
    if settings.max_seconds is not None and seconds >= settings.max_seconds and asked:
        return True
    return (
        asked >= max(selected, settings.min_queries)
        and seconds >= settings.min_seconds
        and (settings.percentile is None or _known_or_hopeless(settings.percentile, selected, tally))
    )


def _known_or_hopeless(percent: int, selected: int, tally: Tally) -> bool:
    enough = needed(percent)
    return selected < enough or len(tally.undisturbed_ns) >= enough or tally.asked >= PATIENCE * enough


def hopeless(settings: Settings, selected: int) -> str | None:
    """Why questions can't decide the percentile that a run is to bound, in one sentence; None if they can.

    Args:
        settings: of the run.
        selected: number of different questions that it asks.
    """
    percent = settings.percentile
    if percent is None or selected >= needed(percent):
        return None
    again = "" if settings.min_queries > selected or settings.min_seconds else ", so each is asked once"
    return (
        f"--until p{percent} needs at least {needed(percent)} different questions, and this run has "
        f"{selected:,}{again}; its times count, but p{percent} stays undecided"
    )


def verdict(settings: Settings, selected: int, asked: int, tally: Tally) -> tuple[RunStatus, str]:
    """The status of a run that has ended, and the reason if it is not complete."""
    outcome = tally.outcome()
    if settings.scenario == scenarios.SERVER:
        return _of_server(settings, outcome)
    wanted = max(selected, settings.min_queries)
    if settings.scenario != scenarios.SUSTAINED and asked < wanted:
        return "inconclusive", f"--max-seconds ended it after {asked} of {counted(wanted, 'question')}"
    percent = settings.percentile
    if percent is not None and len(tally.undisturbed_ns) < needed(percent):
        since = " since the interruption" if outcome.left_out else ""
        return "inconclusive", (
            f"p{percent} needs undisturbed times of {needed(percent)} different questions for "
            f"{CONFIDENCE:.0%} confidence, and the run has {len(tally.undisturbed_ns)}{since}"
        )
    return "complete", ""


def _of_server(settings: Settings, outcome: Outcome) -> tuple[RunStatus, str]:
    if len(outcome.rates) < steps(settings):
        return "inconclusive", (
            f"--max-seconds ended it after {len(outcome.rates)} of {counted(steps(settings), 'rate')}"
        )
    if outcome.valid_qps is not None:
        return "complete", ""
    only = outcome.rates[0]
    if settings.qps is not None and only.undecided:
        return "inconclusive", undecided_line(settings, only)
    return "inconclusive", no_rate_line(settings)
