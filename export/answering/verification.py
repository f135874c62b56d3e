"""Checks whether a graph gives the same answers as the network that it was made from."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from commandline.counted import counted
from contract.questions import Question, QuestionFile, questions_sha256
from contract.squad_metrics import score
from export.answering.inference import Cutter, Logits, Network, answer
from export.errors import VerificationFailed

LARGEST_DIFFERENCE: Final = 0.01
"""Largest allowed difference of an fp32 logit between PyTorch and onnxruntime; logits are about 10."""
LEAST_AGREEMENT: Final = 0.8
"""Smallest allowed share of equal answers of a trained quantised reader; rounding alone loses fewer."""


class Reading(NamedTuple):
    """The answer and the logits of a network for one question."""

    text: str
    logits: list[Logits]
    """One pair of arrays per window."""


def chosen(file: QuestionFile, count: int) -> QuestionFile:
    """At most `count` questions, evenly spaced over the file."""
    total = len(file.questions)
    kept = (
        tuple(file.questions[i * total // count] for i in range(count)) if count < total else file.questions
    )
    return QuestionFile(kept, questions_sha256(kept))


def read(
    network: Network,
    cutter: Cutter,
    questions: tuple[Question, ...],
    progress: Callable[[int, int], None] | None = None,
) -> list[Reading]:
    """Answer questions with a network; `progress` is called with how many are answered, of how many."""
    readings = []
    for done, question in enumerate(questions):
        if progress is not None:
            progress(done, len(questions))
        windows = cutter.windows(question)
        logits = [network(window) for window in windows]
        readings.append(Reading(answer(question.context, windows, logits), logits))
    return readings


class Comparison(NamedTuple):
    """The differences between the readings of two networks."""

    questions: int
    same: int
    """Number of questions whose answers are identical."""
    largest_difference: float
    """Largest absolute difference of a logit."""
    f1_loss: float | None
    """Mean F1 loss in points, negative for a gain; None if no question has a gold answer."""

    @property
    def agreement(self) -> float:
        """Share of identical answers, 0 to 1."""
        return self.same / self.questions


def compare(questions: tuple[Question, ...], reference: list[Reading], found: list[Reading]) -> Comparison:
    """Compare two networks on the questions that both have read."""
    losses = f1_losses(questions, reference, found)
    return Comparison(
        questions=len(questions),
        same=sum(a.text == b.text for a, b in zip(reference, found, strict=True)),
        largest_difference=max(
            (
                float(np.abs(ours - theirs).max())
                for a, b in zip(reference, found, strict=True)
                for pair in zip(a.logits, b.logits, strict=True)
                for ours, theirs in zip(*pair, strict=True)
            ),
            default=0.0,  # no question leaves room for its context
        ),
        f1_loss=100 * sum(losses) / len(losses) if losses else None,
    )


def f1_losses(questions: tuple[Question, ...], reference: list[Reading], found: list[Reading]) -> list[float]:
    """The F1 loss of each question that has gold answers, -1 to 1; a gain is negative."""
    return [
        f1(before.text, question) - f1(after.text, question)
        for question, before, after in zip(questions, reference, found, strict=True)
        if question.golds
    ]


def mean_f1(questions: tuple[Question, ...], readings: list[Reading]) -> float | None:
    """Mean F1 in percent over the questions that have gold answers; None if no question has one."""
    pairs = zip(readings, questions, strict=True)
    scores = [f1(reading.text, question) for reading, question in pairs if question.golds]
    return round(100 * sum(scores) / len(scores), 2) if scores else None


def f1(text: str, question: Question) -> float:
    """Token F1 as the SQuAD v1.1 script computes it, 0 to 1: the best over the gold answers."""
    return score(text, (gold.text for gold in question.golds)).f1


def check_exact(comparison: Comparison, name: str, trained: bool) -> None:
    """Refuse an fp32 graph that does not compute what its PyTorch network computes.

    Random weights may give other answers, because any two of their spans may be equally likely.

    Raises:
        VerificationFailed: a logit differs by more than rounding, or an answer of trained weights differs.
    """
    if comparison.largest_difference > LARGEST_DIFFERENCE or (trained and comparison.agreement < 1):
        raise VerificationFailed(
            f"the graph of {name} gives the same answer as its PyTorch network to {comparison.same} of "
            f"{counted(comparison.questions, 'question')}, and logits differ by up to "
            f"{comparison.largest_difference:.3g}"
        )


def check_quantised(comparison: Comparison, name: str) -> None:
    """Refuse a quantised reader that gives too many other answers.

    Raises:
        VerificationFailed: fewer than `LEAST_AGREEMENT` of the answers equal those of its fp32 graph.
    """
    if comparison.agreement < LEAST_AGREEMENT:
        raise VerificationFailed(
            f"{name} gives the same answer as its fp32 graph to only {comparison.same} of "
            f"{counted(comparison.questions, 'question')}"
        )


def recorded(comparison: Comparison, against: str, questions_sha256: str) -> dict[str, Any]:
    """A comparison as the manifest records it."""
    return {
        "against": against,
        "questions": comparison.questions,
        "questions_sha256": questions_sha256,
        "same_answers": comparison.same,
        "largest_logit_difference": round(comparison.largest_difference, 6),
        "f1_loss_points": None if comparison.f1_loss is None else round(comparison.f1_loss, 2),
    }
