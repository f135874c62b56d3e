"""Says how long a command takes, and what it will be able to detect; both before and while it measures."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import sqrt
from statistics import fmean, median, variance
from typing import Final, NamedTuple

from agent.machine.remarks import LOOK_SECONDS
from agent.planning.history import Pace
from agent.planning.plan import Plan
from agent.planning.rounds import planned, warmup_of
from agent.running.round import WAKING_SECONDS, Round
from agent.stopping.rate_search import RateSearch, steps
from commandline.counted import counted
from commandline.estimation.detection import (
    ASSUMED_SPREAD,
    narrowest_transfer,
    smallest_f1_difference,
    smallest_time_difference,
)
from commandline.estimation.duration import about
from contract.records import Settings
from contract.scenarios import SERVER, SINGLE_STREAM

ENOUGH_QUESTIONS: Final = 200
"""Once another device has answered all questions, this many tell this device's accuracy nearly as well."""
LONG_SECONDS: Final = 1800.0
"""All questions take long if they take longer than this."""
LEAST_ROUNDS: Final = 3
"""Rounds that two runs must share, so that the spread between them is worth keeping."""


class Work(NamedTuple):
    """What is left of a run."""

    starts: int
    """How many workers are still to be started and loaded."""
    questions: int
    """How many questions are still to be asked, warm-ups included."""
    elapsed_seconds: float
    """Seconds on the run's clock so far."""


def pace_of(rounds: Sequence[Round]) -> Pace | None:
    """How long the parts of a run take, by the rounds that this process has measured; None before any."""
    begun = [one for one in rounds if one.ready is not None]
    if not begun or begun[-1].ready is None:
        return None
    asked = sum(one.asked for one in begun)
    asking_ns = sum(one.asking_ns for one in begun)
    return Pace(
        start_ns=round(median(one.start_ns for one in begun)),
        question_ns=asking_ns // asked if asked else begun[-1].ready.warm_ns,
    )


def seconds_left(settings: Settings, work: Work, pace: Pace | None) -> float | None:
    """About how long the rest of a run takes, if nothing disturbs it.

    Args:
        settings: of the run.
        work: what is left.
        pace: how long its parts take, as far as known.

    Returns:
        None if it is not known yet, or depends on what the run finds out.
    """
    least = max(settings.min_seconds - work.elapsed_seconds, 0.0)
    most = None if settings.max_seconds is None else max(settings.max_seconds - work.elapsed_seconds, 0.0)
    if most is not None and settings.min_seconds == settings.max_seconds:
        return most
    if settings.scenario == SERVER:
        if settings.qps is None or (pace is None and not settings.min_queries):
            return None
        search = RateSearch(settings, pace.question_ns if pace else 0)
        seconds = search.queries(settings.qps, None) / settings.qps
        seconds += _starting(work, pace) if pace else 0.0
    elif pace is None:
        return None
    else:
        seconds = _starting(work, pace, settings.turns) + work.questions * pace.question_ns / 1e9
    return max(least, seconds if most is None else min(seconds, most))


def _starting(work: Work, pace: Pace, turns: int = 0) -> float:
    """Seconds for what is not recorded: a look at the machine, starting a worker, and waking it in turns."""
    return work.starts * (LOOK_SECONDS + pace.start_ns / 1e9 + turns * WAKING_SECONDS)


def spread_of(rounds: Sequence[Mapping[int, float]]) -> float | None:
    """How much the rounds of a command differed in the ratios of its bundles' times.

    Args:
        rounds: of each run, the mean logarithm of its times in each round.

    Returns:
        Standard deviation of the logarithm of such a ratio, over all pairs of runs; None if no pair shares
        enough rounds.
    """
    variances = []
    for one, other in combinations(rounds, 2):
        ratios = [one[number] - other[number] for number in one.keys() & other.keys()]
        if len(ratios) >= LEAST_ROUNDS:
            variances.append(variance(ratios))
    return sqrt(fmean(variances)) if variances else None


def advice(plans: Sequence[Plan], paces: Sequence[Pace | None]) -> str | None:
    """How long all questions of the file take, and how long a part of them that tells nearly as much.

    Args:
        plans: one per bundle; they differ at most in how many questions they ask.
        paces: of each bundle, as far as known.

    Returns:
        None if that is not known, if all are asked soon anyway, if the run does not ask one by one, or if
        the bundles have different limits, which somebody has thought about.
    """
    if len({len(one.questions) for one in plans}) > 1:
        return None
    plan, known = plans[0], [pace for pace in paces if pace is not None]
    questions, asked = plan.question_set.total, min(len(plan.questions), ENOUGH_QUESTIONS)
    if plan.settings.scenario != SINGLE_STREAM or len(known) < len(plans) or asked < ENOUGH_QUESTIONS:
        return None
    of_all, of_part = (
        sum(_seconds(plan.settings, count, pace) for pace in known) for count in (questions, asked)
    )
    if of_all < LONG_SECONDS or questions < 2 * asked:
        return None
    points = 100 * narrowest_transfer(asked, questions)
    return (
        f"all {questions:,} questions take {about(of_all)}; {asked} take {about(of_part)} (--limit {asked}) "
        f"and give F1 within {points:.1f} points where another device has answered all"
    )


def _seconds(settings: Settings, questions: int, pace: Pace) -> float:
    """Estimate how long a run of this many questions takes."""
    rounds = settings.rounds
    warmups = sum(warmup_of(settings, first=number == 0) for number in range(rounds))
    return (
        _starting(Work(rounds, 0, 0.0), pace, settings.turns) + (questions + warmups) * pace.question_ns / 1e9
    )


def announcement(plans: Sequence[Plan], seconds: float | None, spread: float | None) -> list[str]:
    """What a command will do, how long that takes and what it can detect, in sentences.

    Args:
        plans: one per bundle; they differ at most in how many questions they ask.
        seconds: about how long it takes; None if that is not known yet.
        spread: standard deviation between rounds of earlier commands; None if none is known.
    """
    return [f"{_work(plans)}: {_duration(plans[0].settings, seconds)}", *_detectable(plans, spread)]


def _work(plans: Sequence[Plan]) -> str:
    settings = plans[0].settings
    bundles = counted(len(plans), "bundle")
    numbers = [planned(one.settings, len(one.questions)) for one in plans]
    fewest, asked = min(numbers), max(numbers)
    if settings.rounds > 1:
        how = "take turns in" if len(plans) > 1 else "in"
        least, most = fewest // settings.rounds, -(-asked // settings.rounds)
        apart = f" or {most}" if most == least + 1 else "" if most == least else f" to {most}"
        turns = f", {settings.turns} turns in each" if settings.turns > 1 else ""
        return f"{bundles} {how} {settings.rounds} rounds of {least}{apart} questions{turns}"
    order = ", one after the other" if len(plans) > 1 else ""
    if settings.scenario == SERVER:
        return f"{bundles}{order}, {counted(steps(settings), 'rate')}"
    if settings.max_seconds is not None and settings.min_seconds == settings.max_seconds:
        return f"{bundles}{order}"
    questions = counted(asked, "question") if asked == fewest else f"{fewest} to {asked} questions"
    return f"{bundles}{order}, {questions}"


def _duration(settings: Settings, seconds: float | None) -> str:
    if seconds is not None:
        return about(seconds) + (" or more" if settings.percentile is not None else "")
    if settings.scenario == SERVER:
        return "time depends on the rates that hold"
    return "time known after warm-up"


def _detectable(plans: Sequence[Plan], spread: float | None) -> list[str]:
    settings = plans[0].settings
    if settings.scenario != SINGLE_STREAM:
        return [f"bundles are compared by single-stream runs, not by {settings.scenario}"]
    known = ASSUMED_SPREAD if spread is None else spread
    smallest = smallest_time_difference(settings.rounds, known)
    if len(plans) == 1:
        time = "none, since no other bundle takes turns with it"
    elif smallest is None:
        time = "none, since that takes at least 2 rounds"
    else:
        source = "between rounds assumed" if spread is None else "between rounds of earlier commands"
        time = f"{smallest:.1%} ({known:.1%} {source})"
    asked = min(len(plan.questions) for plan in plans)
    points = 100 * smallest_f1_difference(asked)
    return [
        f"detectable difference in time: {time.replace('%', ' %')}",
        f"detectable difference in F1: {points:.0f} points at worst ({counted(asked, 'question')})",
    ]
