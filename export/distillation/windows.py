"""Prepares questions for training: splits them by article, labels windows, and batches these by length."""

import random
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from commandline.counted import counted
from contract.questions import Gold, Question
from export.answering.inference import Cutter, Window
from export.distillation.hidden_states import WindowBatch
from export.errors import BadInput
from export.questions import question_file

if TYPE_CHECKING:
    import torch

INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
_POOL_BATCHES: Final = 50
"""Number of batches within which windows are sorted by length: this needs little padding, and the order still
differs in each epoch."""


class Labelled(NamedTuple):
    """One window, with the place of its gold answer."""

    ids: NDArray[np.int64]
    """Token ids, shape (T,)."""
    types: NDArray[np.int64]
    """Token type ids, shape (T,)."""
    first: int
    """Index of the gold answer's first token; 0, the CLS token, if the window does not contain the answer."""
    last: int
    """Index of the gold answer's last token; 0 if the window does not contain the answer."""
    answered: bool
    """Whether the question has a gold answer."""


def read(path: Path) -> tuple[Question, ...]:
    """The questions of a SQuAD v1.1 file.

    Raises:
        BadInput: the file cannot be read.
        ContractError: it is not a question file.
    """
    return question_file.questions(path).questions


def split(
    questions: tuple[Question, ...], share: float, seed: int
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Split questions into those to learn from and those held out, with no article in both.

    Args:
        questions: questions of at least two articles; without titles, each context counts as an article.
        share: share of the questions to hold out, 0 to 1; whole articles are added until it is reached.
        seed: seed for drawing the articles.

    Raises:
        BadInput: there are too few articles to split.
    """
    articles: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        articles[question.title or question.context].append(question)
    names = list(articles)
    random.Random(seed).shuffle(names)  # noqa: S311  # a split, not a secret
    held: set[str] = set()
    while names and sum(len(articles[name]) for name in held) < share * len(questions):
        held.add(names.pop())
    if not names or not held:
        raise BadInput(
            f"{counted(len(articles), 'article')} cannot be split so that {share:.0%} of the questions are "
            "held out: give a file of other questions with --held-out"
        )
    return (
        tuple(q for q in questions if (q.title or q.context) not in held),
        tuple(q for q in questions if (q.title or q.context) in held),
    )


def labelled(questions: tuple[Question, ...], cutter: Cutter) -> list[Labelled]:
    """All windows of the questions, labelled with the first gold answer that is in the context.

    A question of whose gold answers none is in its context is like one without: nothing is known of its
    answer.

    Args:
        questions: the questions, with or without gold answers.
        cutter: cuts questions into windows with the inputs `INPUTS`.
    """
    return [_label(question, window) for question in questions for window in cutter.windows(question)]


def placed_gold(question: Question) -> Gold | None:
    """The first gold answer that is in the context, and so can be learned; None if there is none."""
    return next((gold for gold in question.golds if gold.is_in(question.context)), None)


def has_placed_gold(question: Question) -> bool:
    """Whether a gold answer is in the context."""
    return placed_gold(question) is not None


def _label(question: Question, window: Window) -> Labelled:
    ids, types = window.inputs["input_ids"][0], window.inputs["token_type_ids"][0]
    gold = placed_gold(question)
    if gold is None:
        return Labelled(ids, types, 0, 0, False)
    first, last = _tokens(window, gold.answer_start, gold.answer_start + len(gold.text))
    return Labelled(ids, types, first, last, True)


def _tokens(window: Window, begin: int, end: int) -> tuple[int, int]:
    """First and last token of the context's characters `begin` to `end`; (0, 0) if some are missing."""
    inside = [
        place
        for place in np.flatnonzero(window.in_context).tolist()
        if window.offsets[place][1] > begin and window.offsets[place][0] < end
    ]
    if not inside or window.offsets[inside[0]][0] > begin or window.offsets[inside[-1]][1] < end:
        return 0, 0
    return inside[0], inside[-1]


def epoch(lengths: list[int], size: int, seed: int, number: int) -> list[list[int]]:
    """The batches of an epoch, as indices of windows. They depend only on seed and number, for resuming.

    Args:
        lengths: lengths of the windows, in tokens.
        size: number of windows of a batch; one batch may have fewer.
        seed: seed of the training.
        number: number of the epoch.
    """
    drawn = random.Random(f"{seed} {number}")  # noqa: S311  # an order, not a secret
    order = list(range(len(lengths)))
    drawn.shuffle(order)
    batches = []
    for start in range(0, len(order), size * _POOL_BATCHES):
        pool = sorted(order[start : start + size * _POOL_BATCHES], key=lambda place: lengths[place])
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    drawn.shuffle(batches)
    return batches


def batch(windows: list[Labelled], padding: int, device: "torch.device") -> WindowBatch:
    """Put windows into a batch, padded to the longest.

    Args:
        windows: the windows of the batch.
        padding: id of the padding token.
        device: device of the network.
    """
    import torch

    shape = (len(windows), max(len(window.ids) for window in windows))
    ids = np.full(shape, padding, np.int64)
    types, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        types[row, : len(window.ids)] = window.types
        mask[row, : len(window.ids)] = 1
    arrays = dict(zip(INPUTS, (ids, mask, types), strict=True))
    inputs = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    return WindowBatch(
        inputs=inputs,
        mask=inputs["attention_mask"].bool(),
        first=torch.tensor([window.first for window in windows], device=device),
        last=torch.tensor([window.last for window in windows], device=device),
        answered=torch.tensor([window.answered for window in windows], device=device),
    )
