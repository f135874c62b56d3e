"""Shares the questions of runs out over rounds, and draws the order of the runs in each round.

A machine is now faster, now slower, for minutes. In each round every run of a command has its turn with a
fresh worker and the same share of the questions, so that such a change meets all of them. The shares are
consecutive slices of the seed's order: whatever ends a run early, it has asked the first ones of that order.
"""

import hashlib
from typing import Final

from msgspec.structs import replace

from agent.planning.plan import Plan
from contract.records import Settings

LEAST_QUESTIONS: Final = 10
"""A round has at least this many questions; otherwise it would be mostly loading and warming up."""
LATER_WARMUP: Final = 3
"""After a run's first round, its worker warms up with this part of the questions of the first warm-up."""
LEAST_WARMUP: Final = 2


def planned(settings: Settings, selected: int) -> int:
    """How many questions a run will ask if nothing disturbs it.

    Args:
        settings: of the run.
        selected: number of questions in one pass.
    """
    return max(selected, settings.min_queries)


def rounds_for(wanted: int, questions: int) -> int:
    """How many of the wanted rounds have enough questions each; at least 1."""
    return max(1, min(wanted, questions // LEAST_QUESTIONS))


def with_possible_rounds(plan: Plan) -> Plan:
    """The plan with as many of its rounds as have enough questions."""
    settings = plan.settings
    possible = rounds_for(settings.rounds, planned(settings, len(plan.questions)))
    return plan._replace(settings=replace(settings, rounds=possible))


class Shares:
    """Which questions belong to which round, by their place in the run's order.

    Args:
        questions: how many are planned.
        rounds: how many rounds share them. Further rounds have the size of the largest share. A single round
            has no end of its own.
    """

    def __init__(self, questions: int, rounds: int) -> None:
        self._questions = questions
        self._rounds = rounds

    def end(self, number: int) -> int | None:
        """The number of questions asked at the end of a round, over all rounds so far; None for no end."""
        if self._rounds == 1:
            return None
        further = max(0, number + 1 - self._rounds)
        shared = min(number + 1, self._rounds) * self._questions // self._rounds
        return shared + further * -(-self._questions // self._rounds)

    def round_of(self, asked: int) -> int:
        """The number of the round that the next question belongs to, after this many questions."""
        number = 0
        while (end := self.end(number)) is not None and end <= asked:
            number += 1
        return number


def warmup_of(settings: Settings, *, first: bool) -> int:
    """How many questions a worker answers before its round begins.

    Args:
        settings: of the run.
        first: whether it is the run's first worker in this process.
    """
    full = settings.warmup_questions
    return full if first else min(full, max(LEAST_WARMUP, full // LATER_WARMUP))


def turns(runs: int, seed: int, number: int) -> list[int]:
    """The order in which the runs have their turn in a round: a shuffle that the seed determines."""
    return sorted(range(runs), key=lambda run: hashlib.sha256(f"{seed}\0{number}\0{run}".encode()).digest())
