"""Draws a sample of questions that has short and long contexts in the same proportion as all of them."""

import hashlib
from itertools import pairwise
from typing import Final

from contract.questions import Question

_SEPARATOR: Final = "\0"


def stratified(questions: tuple[Question, ...], limit: int, seed: int) -> tuple[Question, ...]:
    """Choose one question from each of `limit` strata by the length of the context.

    The strata have equal sizes. Within a stratum, the SHA-256 of seed and id decides, so the choice depends
    neither on the order of the file nor on the version of Python. The sample keeps the order of the file.

    Args:
        questions: the questions to choose from; all are returned if there are not more than `limit`.
        limit: number of questions to choose, at least 1.
        seed: seed of the choice; another seed chooses other questions.
    """
    if limit >= len(questions):
        return questions

    def place(index: int) -> bytes:
        return hashlib.sha256(f"{seed}{_SEPARATOR}{questions[index].id}".encode()).digest()

    places = [place(index) for index in range(len(questions))]
    ranked = sorted(range(len(questions)), key=lambda index: (len(questions[index].context), places[index]))
    bounds = [cell * len(questions) // limit for cell in range(limit + 1)]
    chosen = {min(ranked[first:last], key=places.__getitem__) for first, last in pairwise(bounds)}
    return tuple(questions[index] for index in sorted(chosen))
