"""A sample of questions that has short and long contexts as the whole has them."""

import hashlib
from itertools import pairwise
from typing import Final

from contract.questions import Question

_SEPARATOR: Final = "\0"


def stratified(questions: tuple[Question, ...], limit: int, seed: int) -> tuple[Question, ...]:
    """Choose `limit` questions, one from each of as many strata of equal size along the contexts' length.

    Within a stratum, the order of SHA-256 over seed and id decides, so that neither the order of the file
    nor the version of Python has a say. The chosen ones keep the order of the file.

    Args:
        questions: to choose from; all of them where they are not more than `limit`.
        limit: how many, at least 1.
        seed: another one chooses others.
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
