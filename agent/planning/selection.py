"""Selects and orders the questions of a run; both depend on the seed and the ids only."""

import random
from collections.abc import Iterable

from contract.questions import Question, place_in_order


def select(questions: Iterable[Question], limit: int | None, seed: int) -> tuple[Question, ...]:
    """The first `limit` questions of a shuffle that the seed determines.

    The order is that of `place_in_order`: the same for any order of the file, and a smaller limit selects the
    first questions of a larger one.
    """
    return tuple(sorted(questions, key=lambda question: place_in_order(seed, question.id))[:limit])


def in_pass(questions: tuple[Question, ...], seed: int, number: int) -> tuple[Question, ...]:
    """The questions in the order of pass `number`, from 0: each pass has an order of its own."""
    return questions if number == 0 else select(questions, None, seed + number)


def shuffled(questions: tuple[Question, ...], seed: int, count: int) -> list[Question]:
    """Draw questions, each as often as any other or once more, in one random order.

    Unlike passes, a long stretch of them is no more even than one of chance.
    """
    draws = random.Random(seed)  # noqa: S311 - a simulation, no secret
    whole, rest = divmod(count, len(questions))
    chosen = [*questions * whole, *draws.sample(questions, rest)]
    draws.shuffle(chosen)
    return chosen


def by_length(questions: Iterable[Question]) -> tuple[Question, ...]:
    """The questions, longest first: batches of neighbours have similar lengths and need little padding."""
    return tuple(sorted(questions, key=lambda q: -len(q.context) - len(q.question)))


class Passes:
    """The questions of a run over any number of passes.

    Args:
        questions: in the order of the first pass.
        seed: decides the order of the later passes.
        shuffled: whether each later pass has an order of its own.
    """

    def __init__(self, questions: tuple[Question, ...], seed: int, *, shuffled: bool) -> None:
        self._questions = questions
        self._seed = seed
        self._shuffled = shuffled
        self._pass = 0, questions

    def at(self, asked: int, count: int) -> tuple[Question, ...]:
        """The questions after the first `asked`: at most `count`, up to the end of a pass."""
        number, place = divmod(asked, len(self._questions))
        if number != self._pass[0] and self._shuffled:
            self._pass = number, in_pass(self._questions, self._seed, number)
        return self._pass[1][place : place + count]
