"""Shares the questions of runs out over rounds, and draws the order of the runs in each round.

A machine is now faster, now slower, for minutes. In each round every run of a command has its turn with a
fresh worker and the same share of the questions, so that such a change meets all of them. With several turns
in a round, the runs take them alternately, so that a change of seconds meets all of them too. The shares are
consecutive slices of the seed's order: whatever ends a run early, it has asked the first ones of that order.
Only if the runs of a command ask different numbers of questions, their shares are not slices; see `nested`.
"""

import hashlib
from collections.abc import Sequence

from msgspec.structs import replace

from agent.planning.plan import Plan
from commandline.estimation.rounds import rounds_for, turns_for, warmup_questions
from contract.questions import Question
from contract.records import Settings


def planned(settings: Settings, selected: int) -> int:
    """How many questions a run will ask if nothing disturbs it.

    Args:
        settings: of the run.
        selected: number of questions in one pass.
    """
    return max(selected, settings.min_queries)


def with_possible_rounds(plans: Sequence[Plan]) -> list[Plan]:
    """The plans of one command with as many of their rounds as have enough questions in each run."""
    possible = min(rounds_for(p.settings.rounds, planned(p.settings, len(p.questions))) for p in plans)
    return [plan._replace(settings=replace(plan.settings, rounds=possible)) for plan in plans]


def with_possible_turns(plans: Sequence[Plan]) -> list[Plan]:
    """The plans of one command with as many turns in a round as the smallest share has questions.

    A single run and a single round have one turn.

    Args:
        plans: as `with_possible_rounds` returns them.
    """
    settings = plans[0].settings
    fewest = min(planned(plan.settings, len(plan.questions)) for plan in plans)
    possible = 1 if len(plans) == 1 else turns_for(settings.turns, settings.rounds, fewest)
    return [plan._replace(settings=replace(plan.settings, turns=possible)) for plan in plans]


def nested(plans: Sequence[Plan]) -> list[Plan]:
    """The plans of one command so that a longer run asks in a turn what a shorter one asks in it.

    Times are compared within a round, question by question. If the runs ask different numbers of questions,
    their slices would have nothing in common after the first round. Then round k of R asks the questions k,
    k + R, k + 2R, … of the seed's order: those of a shorter run are among those of a longer one. A run that
    ends early has not asked the first questions of the seed's order then. The turns of a round share its
    questions out in the same way.

    Args:
        plans: with equal settings, except for the limit.
    """
    settings = plans[0].settings
    if settings.rounds == 1 or len({len(plan.questions) for plan in plans}) == 1:
        return list(plans)
    return [
        plan._replace(
            questions=tuple(
                question
                for share in _dealt(plan.questions, settings.rounds)
                for turn in _dealt(share, settings.turns)
                for question in turn
            ),
            nested=True,
        )
        for plan in plans
    ]


def _dealt(questions: tuple[Question, ...], hands: int) -> list[tuple[Question, ...]]:
    return [questions[first::hands] for first in range(hands)]


class Shares:
    """Which questions belong to which round, by their place in the run's order.

    Args:
        questions: how many are planned.
        rounds: how many rounds share them; if that leaves a rest, the first rounds have one more. Further
            rounds have the size of the largest share. A single round has no end of its own.
    """

    def __init__(self, questions: int, rounds: int) -> None:
        self._questions = questions
        self._rounds = rounds

    def end(self, number: int) -> int | None:
        """The number of questions asked at the end of a round, over all rounds so far; None for no end."""
        if self._rounds == 1:
            return None
        further = max(0, number + 1 - self._rounds)
        rest = self._questions % self._rounds
        return _end_of(number, self._questions, self._rounds) + (further if rest else 0)

    def ends(self, number: int, turns: int) -> list[int | None]:
        """The number of questions asked at the end of each turn of a round, over all rounds so far."""
        begin, end = self.end(number - 1) if number else 0, self.end(number)
        if begin is None or end is None or turns == 1:
            return [end]
        return [begin + _end_of(turn, end - begin, turns) for turn in range(turns)]

    def round_of(self, asked: int) -> int:
        """The number of the round that the next question belongs to, after this many questions."""
        number = 0
        while (end := self.end(number)) is not None and end <= asked:
            number += 1
        return number


def _end_of(part: int, questions: int, parts: int) -> int:
    """How many questions the parts up to this one have; if there is a rest, the first ones have one more."""
    share, larger = divmod(questions, parts)
    return (part + 1) * share + min(part + 1, larger)


def warmup_of(settings: Settings, *, first: bool) -> int:
    """How many questions a worker answers before its round begins.

    Args:
        settings: of the run.
        first: whether it is the run's first worker in this process.
    """
    return warmup_questions(settings.warmup_questions, first=first)


def in_order(runs: int, seed: int, number: int, turn: int = 0) -> list[int]:
    """The order in which the runs have a turn in a round: a shuffle that the seed determines."""
    place = f"{seed}\0{number}" + (f"\0turn {turn}" if turn else "")
    return sorted(range(runs), key=lambda run: hashlib.sha256(f"{place}\0{run}".encode()).digest())
